"""The MCP server: what an assistant may ask about workflows, and what it may do to them.

Tools answer with what the commands print as JSON, made small: an assistant pays for each byte. What
jobs, users and sites have written is named as such in every answer.
"""
