// npm: packages that tests/npm.sh brings, where there was a registry to bring them from.
const load = (name) => import(name).catch((error) => {
  if (error.code === 'ERR_MODULE_NOT_FOUND' && error.message.includes(`'${name}'`)) return null;
  throw error;
});

export const realtime = await load('@supabase/realtime-js');
export const supabase = await load('@supabase/supabase-js');
export const ws = await load('ws');
export const pg = await load('pg');

// For a test's options: { skip: without(realtime, ws) }.
export const without = (...packages) => packages.includes(null) && 'npm packages are missing: sh tests/npm.sh';

// Disconnect one of these clients: by itself it leaves timers behind (10 s for the disconnecting itself, those of joins under
// way), and the test's process waits for them.
export function hangUp(client) {
  const { setTimeout: real } = globalThis;
  globalThis.setTimeout = (...args) => real(...args).unref();
  try {
    for (const channel of client.getChannels()) channel.teardown();
    void client.disconnect();
  } finally {
    globalThis.setTimeout = real;
  }
}
