/** A shop on NestJS: a module that guards every handler, and decorators that say what a handler is worth. */
import 'reflect-metadata'
import { Controller, Get, Inject, Module, Param, Post } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { Atrion } from 'atrion'
import { AtrionModule, SkipAtrion, Tier } from 'atrion/nest'
import { createAtrion, healthOf, type Query, run, type Shop } from '../shop'

const QUERY = Symbol('query')

@Controller()
class ShopController {
  constructor(
    private readonly atrion: Atrion,
    @Inject(QUERY) private readonly query: Query,
  ) {}

  @Get('health')
  @SkipAtrion()
  health(): Record<string, number> {
    return healthOf(this.atrion)
  }

  @Get('products/:id')
  async product(@Param('id') id: string): Promise<{ product: string }> {
    return { product: await this.query(id) }
  }

  @Post('checkout')
  @Tier('critical')
  async checkout(): Promise<{ paid: string }> {
    return { paid: await this.query('order') }
  }

  @Get('reports')
  @Tier('bulk')
  async reports(): Promise<{ report: string }> {
    return { report: await this.query('sales') }
  }
}

@Module({
  imports: [AtrionModule.forRootAsync({ useFactory: () => ({ atrion: createAtrion() }) })],
  controllers: [ShopController],
})
class ShopModule {}

export async function start(query: Query, port: number): Promise<Shop> {
  const root = { module: ShopModule, providers: [{ provide: QUERY, useValue: query }] }
  const app = await NestFactory.create(root, { logger: false })
  await app.listen(port, '127.0.0.1')
  // AtrionModule disconnects the instance when the application is closed.
  return { url: await app.getUrl(), close: () => app.close() }
}

if (require.main === module) void run(start)
