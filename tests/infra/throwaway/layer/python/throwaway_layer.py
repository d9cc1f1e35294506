"""What the function takes from its layer."""

GREETING = "hello from the layer"
