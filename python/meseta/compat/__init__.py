"""Packages whose programs run on meseta by changing an import."""
