"""The proxy: sans-io layers on a core (`core/`, `layers/`), and the asyncio driver that carries their wishes out."""
