"""`vitrine serve`: Ray and Serve on this machine alone. On a cluster none of it runs."""
