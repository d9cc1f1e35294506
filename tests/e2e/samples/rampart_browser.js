const token = 'your-token-here';
const eventSource = new EventSource(
  `http://localhost:9090/v1/events/stream?token=${token}`
);
eventSource.onmessage = (event) => {
  const data = JSON.parse(event.data);
  switch (data.type) {
    case 'connected':
      console.log('Connected to Rampart event stream');
      break;
    case 'audit':
      console.log('Audit event:', data.event.tool, data.event.decision.action);
      break;
    case 'approvals':
      console.log('Approval queue changed — refreshing...');
      break;
    case 'audit_batch':
      console.log('Bulk audit event for run:', data.run_id);
      break;
  }
};
eventSource.onerror = (error) => {
  console.error('SSE error:', error);
};
