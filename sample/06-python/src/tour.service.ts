import { Injectable } from '@nestjs/common';
import { InjectStreamback, StreambackClient, StreambackRecordBuilder } from 'nestjs-streamback';
import { lastValueFrom, tap } from 'rxjs';
import { PythonProcesses } from './python.processes';

@Injectable()
export class TourService {
  constructor(
    @InjectStreamback() private readonly client: StreambackClient,
    private readonly python: PythonProcesses,
  ) {}

  async tour(streams: string): Promise<void> {
    console.log('1. A Python service answers Nest: that it answers in feedback lists is found out');
    // Python streamback creates no topics; whoever runs the two side by side creates them beforehand.
    await this.createTopic('sample.python.words');
    const service = this.python.run('service.py', streams).then(() => {
      throw new Error('service.py has ended, and not answered');
    });
    const request = new StreambackRecordBuilder({ text: 'a lazy dog' }).setTimeoutMs(60_000).build();
    const answers = this.client
      .send<string>('sample.python.words', request)
      .pipe(tap((word: string) => console.log(`   nest got ${word}`)));
    await Promise.race([lastValueFrom(answers), service]);

    console.log('2. A Python client asks the Nest service');
    await this.python.run('caller.py', streams);
  }

  private async createTopic(topic: string): Promise<void> {
    await this.client.connect();
    const [{ kafka }] = this.client.unwrap<[{ kafka: import('kafkajs').Kafka }]>();
    const admin = kafka.admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: true });
    await admin.disconnect();
  }
}
