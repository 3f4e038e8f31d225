const [word = ''] = process.argv.slice(2);
process.stdout.write(`out ${word}\n`);
process.stderr.write(`err ${word}\n`);
process.send!({ type: 'word', word });
