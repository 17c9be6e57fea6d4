"""What agents play in: N worlds with a task, small frames and few actions; and how they are judged there."""
