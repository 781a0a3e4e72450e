/** When the alerts that page fire, and when they must not. */
import { type AlertCases, ends } from './alert-case.ts'

export const PAGE_CASES: Readonly<Record<string, AlertCases>> = {
  ChatErrorBudgetBurnFast: {
    fires: [{ title: 'one question in ten fails for an hour', series: ends('0+90x80', '0+10x80'), at: '70m' }],
    quiet: [
      { title: 'one failure in a quiet night is all there was', series: ends('0x80', '0x30 1x50'), at: '40m' },
      { title: 'it was bad and has been well for ten minutes', series: ends('0+90x100', '0+10x60 600x40'), at: '72m' },
      {
        title: 'people take their questions back',
        series: { ...ends('0+90x80', '0x80'), 'chat_messages_total{type="user",status="cancelled"}': '0+50x80' },
        at: '70m',
      },
    ],
  },
  ChatErrorBudgetBurnSlow: {
    fires: [{ title: 'one question in twenty-five fails for six hours', series: ends('0+480x90', '0+20x90'), at: '400m', interval: '5m' }],
    quiet: [
      { title: 'one question in fifty fails', series: ends('0+490x90', '0+10x90'), at: '400m', interval: '5m' },
      { title: 'it was bad and has been well for 40 minutes', series: ends('0+480x90', '0+20x80 1600x10'), at: '440m', interval: '5m' },
    ],
  },
  ChatMessagesLost: {
    fires: [
      {
        title: 'a question is missing',
        series: { 'chat_messages_lost_total{instance="a"}': '0x10 1x20' },
        at: '12m',
        labels: { instance: 'a' },
      },
      {
        title: 'a process finds that as it starts',
        series: { 'chat_messages_lost_total{instance="a"}': '0x30', 'chat_messages_lost_total{instance="b"}': '_x10 1x20' },
        at: '12m',
        labels: { instance: 'b' },
      },
    ],
    quiet: [
      { title: 'nothing is missing', series: { 'chat_messages_lost_total{instance="a"}': '0x30' }, at: '12m' },
      { title: 'it was told long ago', series: { 'chat_messages_lost_total{instance="a"}': '0x2 1x30' }, at: '25m' },
      { title: 'a process has just started', series: { 'chat_messages_lost_total{instance="b"}': '_x10 0x20' }, at: '12m' },
    ],
  },
  ChatTargetDown: {
    fires: [
      {
        title: 'no process answers',
        series: { 'up{job="chat",instance="a"}': '1x5 0x20', 'up{job="chat",instance="b"}': '0x25' },
        at: '10m',
      },
      { title: 'there is no process', series: { 'up{job="other"}': '1x20' }, at: '10m' },
    ],
    quiet: [
      { title: 'one of two answers', series: { 'up{job="chat",instance="a"}': '0x25', 'up{job="chat",instance="b"}': '1x25' }, at: '10m' },
      { title: 'the only one is away for a minute', series: { 'up{job="chat",instance="a"}': '1x5 0 1x20' }, at: '8m' },
    ],
  },
  ChatSyntheticProbeFailing: {
    fires: [
      {
        title: 'one of two processes finds something away',
        series: { 'chat_synthetic_probe_success{instance="a"}': '1x5 0x20', 'chat_synthetic_probe_success{instance="b"}': '1x25' },
        at: '10m',
      },
    ],
    quiet: [{ title: 'it was away for two minutes', series: { 'chat_synthetic_probe_success{instance="a"}': '1x5 0x1 1x20' }, at: '8m' }],
  },
  ChatQueueStuck: {
    fires: [
      {
        title: 'questions grow old',
        series: { 'chat_queue_depth{queue="inbound"}': '3x20', 'chat_queue_oldest_age_seconds{queue="inbound"}': '0+60x20' },
        at: '10m',
        labels: { queue: 'inbound' },
      },
    ],
    quiet: [
      {
        title: 'nothing waits',
        series: { 'chat_queue_depth{queue="inbound"}': '0x20', 'chat_queue_oldest_age_seconds{queue="inbound"}': '500x20' },
        at: '10m',
      },
      {
        title: 'many wait, none for long',
        series: { 'chat_queue_depth{queue="inbound"}': '300x20', 'chat_queue_oldest_age_seconds{queue="inbound"}': '90x20' },
        at: '10m',
      },
    ],
  },
  ChatStoreWriteErrors: {
    fires: [
      {
        title: 'writes fail',
        series: { 'chat_errors_total{service="sqlite",type="write"}': '0+30x20' },
        at: '10m',
        labels: { service: 'sqlite' },
      },
      {
        title: 'writes hang',
        series: { 'chat_errors_total{service="redis",type="timeout"}': '0+30x20' },
        at: '10m',
        labels: { service: 'redis' },
      },
    ],
    quiet: [
      { title: 'a few failed', series: { 'chat_errors_total{service="sqlite",type="write"}': '0x5 10x20' }, at: '10m' },
      { title: 'it is the agent that fails', series: { 'chat_errors_total{service="ai-agent",type="timeout"}': '0+30x20' }, at: '10m' },
    ],
  },
}
