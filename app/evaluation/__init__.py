"""How good predictions are: metrics, calibration, and the report as one HTML file."""
