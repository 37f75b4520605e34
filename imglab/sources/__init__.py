"""Sources: each says something about images, in a module of its own."""
