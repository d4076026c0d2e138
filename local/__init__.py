"""The whole platform on one machine: an emulated AWS, a real DNS server and real SFTP servers."""
