"""torc-watch: watches Torc workflows and recovers them."""
