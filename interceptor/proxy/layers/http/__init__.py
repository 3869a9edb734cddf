"""HTTP: version-neutral parts, one exchange, and the codecs that translate."""
