"""The compatibility matrix: real peers, asked about real tokens."""
