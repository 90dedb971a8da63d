"""Helpers for frames, values and stores."""
