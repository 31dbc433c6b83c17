"""What starts a process: routes, subscriptions to ports and events, schedules."""
