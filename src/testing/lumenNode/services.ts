/** Which services a node has, and which tasks they offer: by flavour, or as the options say. */

import { requireOption } from '../../core/requireOption.js';
import { classify } from './tasks/classify.js';
import { echo } from './tasks/echo.js';
import { embedImage } from './tasks/embedImage.js';
import { embedText } from './tasks/embedText.js';
import { generateText } from './tasks/generateText.js';
import { readText } from './tasks/readText.js';
import { recognizeFaces } from './tasks/recognizeFaces.js';
import type { NodeTask } from './tasks/task.js';
import type { LumenFlavour } from './flavour.js';

/** One service of a node. */
export interface NodeService {
  /** As in `Capability.service_name` and in meta `service`. */
  readonly name: string;
  /** Ids of its models; the first is the default. */
  readonly models: readonly string[];
  readonly tasks: readonly NodeTask[];
  /** Default `cpu`. */
  readonly runtime?: string;
  /** Default `fp32`. */
  readonly precisions?: readonly string[];
}

export interface ServicesOptions {
  readonly flavour: LumenFlavour;
  readonly services?: readonly NodeService[] | undefined;
  readonly tasks?: readonly string[] | undefined;
  readonly models?: Readonly<Record<string, readonly string[]>> | undefined;
  readonly msPerToken?: number | undefined;
}

/**
 * The services of a node, sorted by name.
 *
 * @throws FleetError `INVALID_OPTION` for a task that nobody offers, or a service without a task or a model.
 */
export function resolveServices({
  flavour,
  services,
  tasks,
  models,
  msPerToken,
}: ServicesOptions): readonly NodeService[] {
  const all = services ?? (flavour === 'hub' ? hubServices(msPerToken) : pythonServices(msPerToken));
  const chosen = tasks ? only(all, tasks, services ? [] : everyService(msPerToken)) : all;
  requireOption(chosen.length > 0, 'services', 'one service at least', 'none');
  const named = chosen.map((service) => ({ ...service, models: models?.[service.name] ?? service.models }));
  for (const { name, tasks: offered, models: ids } of named) {
    requireOption(offered.length > 0, `services.${name}.tasks`, 'one task at least', 'none');
    requireOption(ids.length > 0, `models.${name}`, 'one model at least', 'none');
  }
  return named.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function hubServices(msPerToken?: number): readonly NodeService[] {
  return [
    { name: 'siglip', models: ['hashed-ngrams-256'], tasks: [embedText(), embedImage()] },
    { name: 'bioclip', models: ['byte-histogram'], tasks: [classify()] },
    { name: 'ocr', models: ['printable-ascii'], tasks: [readText()] },
    { name: 'face', models: ['hash-faces'], tasks: [recognizeFaces()] },
    { name: 'text', models: ['sonnets-trigram'], tasks: [generateText({ msPerToken })] },
    { name: 'echo', models: ['echo'], tasks: [echo()] },
  ];
}

/** A Python server has one capability, whatever it serves. */
function pythonServices(msPerToken?: number): readonly NodeService[] {
  return [
    {
      name: 'lumen',
      models: ['hashed-ngrams-256', 'sonnets-trigram'],
      tasks: [
        embedText('clip_text_embed'),
        embedImage('clip_image_embed'),
        classify('clip_classify'),
        classify('bioclip_classify'),
        recognizeFaces('face_detect_and_embed'),
        readText(),
        generateText({ name: 'vlm_generate', stream: false, msPerToken }),
        generateText({ name: 'vlm_generate_stream', stream: false, msPerToken }),
        echo(),
      ],
    },
  ];
}

function everyService(msPerToken?: number): readonly NodeService[] {
  return [...hubServices(msPerToken), ...pythonServices(msPerToken)];
}

/** Only these tasks; one that no service of this flavour has comes from the other flavour, with its service. */
function only(
  services: readonly NodeService[],
  names: readonly string[],
  more: readonly NodeService[],
): readonly NodeService[] {
  const kept = services
    .map((service) => ({ ...service, tasks: service.tasks.filter(({ name }) => names.includes(name)) }))
    .filter(({ tasks }) => tasks.length > 0);
  const missing = names.filter((name) => !kept.some(({ tasks }) => tasks.some((task) => task.name === name)));
  for (const name of missing) {
    const from = more.find(({ tasks }) => tasks.some((task) => task.name === name));
    requireOption(from !== undefined, 'tasks', 'names of tasks that a service offers', name);
    const task = from!.tasks.find((candidate) => candidate.name === name)!;
    const at = kept.findIndex((service) => service.name === from!.name);
    if (at < 0) kept.push({ ...from!, tasks: [task] });
    else kept[at] = { ...kept[at]!, tasks: [...kept[at]!.tasks, task] };
  }
  return kept;
}
