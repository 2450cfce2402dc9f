"""What the test hosts find around them instead of the Internet: model hub, git server, image registry."""
