"""The words: values that every floor speaks about. Nothing here computes."""
