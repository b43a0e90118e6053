// {files} on standard input -> {readable}: those that sharp decodes to the end.
import { readFileSync } from 'node:fs';
import sharp from 'sharp';

const { files } = JSON.parse(readFileSync(0, 'utf8'));
const readable = [];
for (const file of files) {
  try {
    await sharp(file).resize(320, null, { withoutEnlargement: true }).jpeg().toBuffer();
    readable.push(file);
  } catch {
    // It takes no part.
  }
}
process.stdout.write(JSON.stringify({ readable }));
