"""Steps that the interfaces in `io` are made of."""
