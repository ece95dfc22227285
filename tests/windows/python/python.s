# SPDX-License-Identifier: GPL-3.0-or-later
# python.exe: hands the words of the command line to int Py_Main(int argc, wchar_t **argv) of python311.dll.
        .globl  start
start:
        subq    $56, %rsp
        call    GetCommandLineW
        movq    %rax, %rcx
        leaq    40(%rsp), %rdx
        call    CommandLineToArgvW
        movl    40(%rsp), %ecx
        movq    %rax, %rdx
        call    Py_Main
        movl    %eax, %ecx
        call    ExitProcess
