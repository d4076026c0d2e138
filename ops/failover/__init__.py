"""Moving traffic between the regions: evacuate and restore, shift, rehome."""
