"""`hub dashboard`: draws the hub's dashboards from their CDK definition, without the AWS console."""
