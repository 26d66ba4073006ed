"""The command `thumbnails`, for operators: what the service does over HTTP, and what only its machine may do."""
