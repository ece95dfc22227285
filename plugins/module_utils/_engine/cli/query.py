# SPDX-License-Identifier: GPL-3.0-or-later
"""``--query``: the part of a result that a JMESPath expression chooses (https://jmespath.org/specification.html)."""

from __future__ import annotations

import typing as t

from ..errors import ConfigurationError, MissingDependencyError


class Query:
    """An expression, checked before anything is done. Raises ConfigurationError, MissingDependencyError."""

    def __init__(self, expression: str) -> None:
        try:
            import jmespath
        except ImportError:
            raise MissingDependencyError(
                "--query needs the Python library jmespath, which is not installed: install the package python3-jmespath, "
                "or run: python3 -m pip install jmespath; --json alone does not need it"
            ) from None
        self._expression = expression
        self._error: t.Type[Exception] = jmespath.exceptions.JMESPathError
        try:
            self._compiled = jmespath.compile(expression)
        except self._error as error:
            raise ConfigurationError("--query: %r is no JMESPath expression: %s" % (expression, _one_line(error))) from None

    def choose(self, document: t.Any) -> t.Any:
        """Return what the expression chooses. Raises ConfigurationError when it does not fit the document."""
        try:
            return self._compiled.search(document)
        except self._error as error:
            raise ConfigurationError("--query: %r does not fit the result: %s" % (self._expression, _one_line(error))) from None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
