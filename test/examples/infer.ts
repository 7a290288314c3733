/** Infers over whatever nodes the network has: mDNS, balancing, health and failover by default. */
import { firstValueFrom } from 'rxjs';
import { createLumenClient } from 'rxfleet/lumen';

await using lumen = createLumenClient();

lumen.generateText('Once upon a time').subscribe({
  next: ({ text }) => process.stdout.write(text),
  error: (e) => console.error(e.code, e.message, e.attempts),
});

const { vector } = await firstValueFrom(lumen.embedText('a red bicycle'));
console.log(vector.length, 'dimensions');
