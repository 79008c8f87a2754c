"""What runs a model: one module for each way, all behind `app.classifier.engines.engine.Engine`."""
