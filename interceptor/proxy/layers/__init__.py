"""One protocol a file. Siblings do not import each other; what they share lies in the core and in proxy.asks."""
