"""What the output of failed jobs says about them: rules as data, and the search for them. Pure."""
