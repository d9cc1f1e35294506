import { EventSource } from 'eventsource';

const source = new EventSource('https://your-app.com/api/kavach/events/stream', {
  fetch: (input, init) => fetch(input, {
    ...init,
    headers: {
      ...init.headers,
      Authorization: 'Bearer your-bearer-token',
    },
  }),
});

source.addEventListener('agent.created', (event) => {
  const data = JSON.parse(event.data);
  console.log('Event:', data.type, data);
});

source.onerror = () => {
  console.error('Connection lost, reconnecting...');
};
