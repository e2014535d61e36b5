"""A model of one's own without a server: a GGUF file, served by llama.cpp in a process of its own.

A process of its own, because a crash in C++ must not take the kernel along; it listens on loopback alone, on a port
that the system chooses, for a key that is made for it and never leaves the two processes' memory, and it ends with the
kernel, however that ends. What a file *holds* is trusted like a program that one runs: llama.cpp parses its tensors
and renders its chat template, and a file made to break them could do what this user can.
"""
