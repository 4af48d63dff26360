"""The common shapes decoded straight into typed structs, several times as fast as through a dict.

A shortcut, never a second opinion: a row that a struct does not take as it stands goes the long way, which decides.
Keys that would change what a row means are declared as `None`, so that their presence sends it there.
"""
