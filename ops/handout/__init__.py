"""The handout: the page that tells a customer how to send files, made from the registry and the cells."""
