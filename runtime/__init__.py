"""What runs in AWS and in clients: the core takes its AWS clients as arguments; handlers wire them."""
