"""SFTP on this machine: the cells' endpoints, the customers' clients, and the partners' servers."""
