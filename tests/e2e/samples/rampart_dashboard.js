const eventSource = new EventSource(`/v1/events/stream?token=${token}`);
eventSource.onmessage = (event) => {
  const data = JSON.parse(event.data);
  if (data.type === 'audit') {
    addToActivityFeed(data.event);
  }
  if (data.type === 'approvals') {
    refreshApprovalQueue();
  }
};
