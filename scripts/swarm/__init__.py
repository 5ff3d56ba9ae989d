"""A fleet that loses its hub at one moment: simulated with the production state machine, or real on one machine."""
