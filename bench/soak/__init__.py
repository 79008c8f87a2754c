"""The soak: many mixed requests to one service, and what its processes hold before and after."""
