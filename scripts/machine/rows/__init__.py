"""What is shown on the machine, one module for each kind of thing."""
