"""Engines run the model on a device, each behind `app.classifier.engines.engine.Engine`."""
