"""The whole platform on one machine: emulated AWS, a real DNS server, real SFTP servers."""
