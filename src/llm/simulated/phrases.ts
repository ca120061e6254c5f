/**
 * The sentences the simulated writer has. `{subject}` is what the order is about.
 *
 * They are true of most subjects and claim no figure: every number in a simulated report comes from its own source.
 */

/** What a part of a report can be about. */
export type Theme = "general" | "inventory" | "licences" | "risk" | "upgrades";

export interface Part {
  heading: string;
  sentences: readonly string[];
}

export const OPENINGS = [
  "It is easier to have an opinion on {subject} than to decide about it, because the costs come early and the benefits late.",
  "Most discussions of {subject} begin with the solution; this text begins with what has to be decided, by whom, and when.",
  "Anyone who has to decide about {subject} soon finds that the open questions are less technical than they look.",
  "There is no shortage of advice on {subject}, and very little of it says under which conditions it holds.",
] as const;

/** A revision opens with its conclusion, which is what an editor asks for first. */
export const REVISED_OPENINGS = [
  "The short answer on {subject} comes first: a limited, measured start is worth its price now, and a larger commitment only once the first results are in.",
  "In one sentence: treat every plan for {subject} as a series of small decisions that can be undone, and decide each one on evidence that was agreed on beforehand.",
  "The conclusion of this text is simple: with {subject}, the order of the steps matters more than their size.",
] as const;

export const PARTS: Readonly<Record<Theme, readonly Part[]>> = {
  general: [
    {
      heading: "Where things stand",
      sentences: [
        "The starting position is mixed: a few organisations have routine, most have a pilot, and many have a slide.",
        "What has changed lately is less the idea itself than the price of trying it, which has fallen far enough for small teams to begin.",
        "At the same time expectations have become more sober, and with them the questions have become better.",
        "Early adopters report that the first weeks were spent on definitions: what counts as done, who decides, and which exceptions are allowed.",
        "That groundwork is rarely visible in a success story, yet it separates the projects that last from the ones that are quietly wound down.",
      ],
    },
    {
      heading: "What drives it",
      sentences: [
        "Three forces push in the same direction: cost pressure, a shortage of experienced people, and customers who compare across industries.",
        "None of them is new, but together they shorten the time in which a decision about {subject} can be put off.",
        "Regulation works as a fourth force; it slows the careless and protects those who prepared their records in time.",
        "The strongest driver is often an internal one: a process that everybody knows to be fragile and nobody wants to own.",
      ],
    },
    {
      heading: "What it can deliver",
      sentences: [
        "The benefit that shows first is time: work that used to wait for a specialist moves on without one.",
        "The benefit that lasts is consistency, because the same question gets the same treatment on a Friday evening as on a Monday morning.",
        "Quality improves where feedback is quick; where it takes a quarter to learn that something failed, little is learnt at all.",
        "It pays to name the benefit that is *not* expected as well, so that nobody measures {subject} against a promise that was never made.",
      ],
    },
    {
      heading: "What it costs",
      sentences: [
        "The visible cost is the smaller part: licences, equipment and external advice can be put into a budget.",
        "The larger part is attention, since the people who know the present process best are the ones the change needs most.",
        "A plan that does not release them from other work is a wish, and its delay can be predicted on the first day.",
        "Running costs deserve an owner from the start; a service that belongs to a project belongs to nobody once the project ends.",
      ],
    },
    {
      heading: "Risks and how to bound them",
      sentences: [
        "The most common failure is not a dramatic one: the first version works, nobody maintains it, and trust drains away.",
        "A second risk is silent dependence, where the way back is lost long before anybody notices that it might be needed.",
        "Both can be bounded by cheap means: a named owner, a date for review, and an exit that has been rehearsed once.",
        "Concentrating everything on a single supplier saves effort today and bargaining power tomorrow, so the trade should be made knowingly.",
        "Where work on {subject} touches personal or confidential material, the limits belong into the design and not into a policy document beside it.",
      ],
    },
    {
      heading: "The people involved",
      sentences: [
        "How a plan for {subject} is received depends mostly on who hears about it first, and from whom.",
        "People accept a change of tools readily when it removes the part of their work they like least, and resist when it removes the part they are proud of.",
        "Training helps most when it happens on real work in the same week, and least when it is a course that ends with a certificate.",
        "Managers need support too: they answer for results of a process that they have not yet seen fail.",
      ],
    },
    {
      heading: "Options",
      sentences: [
        "Waiting is a legitimate option as long as it has a date and a question attached: what do we expect to know by then?",
        "A narrow pilot buys that knowledge at a known price, provided that its end is agreed on before its beginning.",
        "A broad introduction makes sense where the parts depend on each other so closely that a half-changed process is worse than either.",
        "For most organisations the pilot is the better choice, because it turns opinions about {subject} into observations.",
      ],
    },
    {
      heading: "Recommended next steps",
      sentences: [
        "First, write down on one page which decision about {subject} is to be improved, and how anybody would notice.",
        "Second, choose one process with a clear owner, a steady volume and a tolerable cost of error.",
        "Third, agree on two measures, one for the benefit and one for the harm, and record both before anything is changed.",
        "Fourth, set a date on which the result is looked at by people who did not run the pilot.",
        "Only then is it time to talk about scale, and by then the talk is usually short.",
      ],
    },
  ],
  inventory: [
    {
      heading: "What the project is made of",
      sentences: [
        "Only the direct dependencies were chosen by name; everything else arrived because something chosen needed it.",
        "That ratio is normal for the ecosystem, and it is also the reason why a review has to read the lockfile and not the manifest.",
        "Development packages never reach a customer, but they run on the machines that build the product, with the rights of those machines.",
      ],
    },
    {
      heading: "Depth and duplication",
      sentences: [
        "A deep tree delays fixes: a correction at the bottom reaches the project only after each package above it has accepted it.",
        "Duplicates are rarely harmful by themselves; they cost download and start-up time, and they let two versions of one type meet at run time.",
        "Most of them disappear when the one or two packages that pin an old range are moved forward.",
      ],
    },
    {
      heading: "How to keep it small",
      sentences: [
        "The cheapest dependency is the one that the platform has meanwhile replaced, so the list deserves a look after each runtime upgrade.",
        "A short written reason per direct dependency keeps the next review honest: what has no reason can go.",
      ],
    },
  ],
  licences: [
    {
      heading: "What the licences ask for",
      sentences: [
        "Permissive licences ask for little more than the notice to be kept, which a generated attribution file satisfies.",
        "Copyleft terms are a question of how the product is distributed, and the answer for a service differs from the one for a shipped binary.",
        "An entry without a licence is not free to use; it is simply unexplained, and the default of the law is that all rights are reserved.",
      ],
    },
    {
      heading: "Where a person has to look",
      sentences: [
        "A lockfile repeats what the publisher declared, and a declaration can be wrong, so the uncommon entries deserve a look at the package itself.",
        "Expressions that offer a choice should be decided once and written down; leaving them open only moves the question to the next audit.",
        "Packages that are used only during development matter less here, because they are not passed on.",
      ],
    },
    {
      heading: "Keeping it in order",
      sentences: [
        "A check that fails when a licence outside the agreed list appears costs minutes to set up and replaces the yearly search.",
        "Whoever owns that list should be named beside it, so that an exception is a decision and not an accident.",
      ],
    },
  ],
  risk: [
    {
      heading: "Where the exposure lies",
      sentences: [
        "The largest exposure is code that runs before anybody calls it: an install script executes with the rights of whoever installs.",
        "Deprecated packages, where there are any, come second: they still work, which is why they stay, and a flaw found in them tomorrow has nobody to fix it.",
        "Entries without an integrity hash rest on trust in the registry alone, since a changed archive would not be noticed.",
      ],
    },
    {
      heading: "How likely, how bad",
      sentences: [
        "Most incidents of recent years began with a stolen publishing account and were found within days, so a delay before adopting new releases is a strong protection at no cost.",
        "The damage depends on where the code runs: a build machine that holds publishing tokens is the worst place for a surprise.",
        "Depth matters as well, because the packages at the bottom of the tree are the ones nobody on the team has ever read.",
      ],
    },
    {
      heading: "What to do about it",
      sentences: [
        "Install scripts can be refused by default and allowed by name, and the list of names is short.",
        "Installing strictly from the lockfile, with hashes checked, turns a silent change into a failed build.",
        "For each deprecated package there should be a decision with a date: replace it, fork it, or accept it knowingly.",
      ],
    },
  ],
  upgrades: [
    {
      heading: "Order of work",
      sentences: [
        "Whatever is deprecated goes first, since waiting only makes that work larger.",
        "Continue with the packages that hold several duplicates in place; one upgrade there removes more versions than any other change.",
        "Leave major versions of frameworks for last, each in a change of its own, so that a regression has one suspect.",
      ],
    },
    {
      heading: "How to make it safe",
      sentences: [
        "Each step should pass the whole test suite and reach production by itself before the next one begins.",
        "Where tests are thin, a day spent on them first costs less than the search for a regression later.",
        "Keep the lockfile change of each step reviewable: a diff of thousands of lines is approved, not read.",
      ],
    },
    {
      heading: "Effort and rhythm",
      sentences: [
        "Small upgrades every week take less time in total than a large one every year, because the reasons for each change are still fresh.",
        "An automated proposal with a short waiting time catches most of them; what remains is a list that a person can hold in mind.",
      ],
    },
  ],
};

/** What a revision adds. The critic knows a revised text by these headings. */
export const ADDED_BY_REVISION: readonly Part[] = [
  {
    heading: "What would change this assessment",
    sentences: [
      "An assessment is only worth something if one can say what would overturn it.",
      "Here it would be a cost per case that does not fall after the second month, or an error that is found by a customer before it is found inside.",
      "If either is observed, the right answer is to stop and to look, not to scale in the hope that volume will cure it.",
    ],
  },
  {
    heading: "How progress is measured",
    sentences: [
      "One measure for the benefit and one for the harm are enough, as long as both are recorded before the first change.",
      "They are read on a fixed date by somebody who has no stake in the result.",
      "Figures that cannot be obtained without extra work will not be obtained for long, so each should fall out of the process itself.",
    ],
  },
];

export const CLOSINGS = [
  "Taken together, the case for {subject} is good where the first step is small, owned and measured, and weak everywhere else.",
  "What remains is a matter of order: decide what success means, begin small, and let the result decide about the rest.",
] as const;

export const CLOSINGS_ABOUT_PACKAGES = [
  "None of this needs a large project; it needs a name beside each open point and a date on which somebody looks again.",
  "The figures above come from the lockfile itself and can be recomputed at any time; the judgement should be renewed with them.",
] as const;

export const STRENGTHS = [
  "The structure follows the decision a reader has to make, not the order in which the material was found.",
  "Costs and risks stand beside the benefits instead of in a chapter of their own.",
  "The language is plain, and the terms are used in one meaning throughout.",
  "Each recommendation names what has to be true for it to hold.",
] as const;

export const IMPROVEMENTS = [
  "Open with the conclusion; at present the reader learns it only at the end.",
  "Say what evidence would change the assessment, so that it can be tested.",
  "Add how progress is measured: one figure for the benefit, one for the harm.",
] as const;

export const SMALL_IMPROVEMENTS = [
  "Shorten the part on costs by a sentence or two.",
  "Name an owner for the review date.",
] as const;

export const RECOMMENDATIONS: Readonly<Record<"general" | "packages", readonly string[]>> = {
  general: [
    "Write down on one page which decision is to be improved, and how anybody would notice.",
    "Run one pilot with a named owner, a fixed end and a measure that is recorded beforehand.",
    "Rehearse the way back once before it is needed.",
    "Agree on a review date with people who did not run the pilot.",
    "Release the people who know the present process from other work for the length of the pilot.",
  ],
  packages: [
    "Refuse install scripts by default and allow the few that are needed by name.",
    "Keep a dated decision for every deprecated package: replace it, or say why it stays.",
    "Move the packages that pin old ranges forward first; that removes most duplicates.",
    "Let the build fail on a licence outside the agreed list.",
    "Install strictly from the lockfile, with integrity hashes checked, on every machine that builds.",
  ],
};

/** In the order of the recommendations: each one is what its neighbour there is the remedy for. */
export const RISKS: Readonly<Record<"general" | "packages", readonly string[]>> = {
  general: [
    "Success is claimed by volume, because nobody wrote down what was to become better.",
    "The first version works, nobody maintains it, and trust drains away.",
    "The way back is lost long before anybody notices that it might be needed.",
    "The people who ran the pilot judge it, and see what they hoped for.",
    "The people who know the process best have no time for the change.",
  ],
  packages: [
    "An install script runs with the rights of the machine that builds the product.",
    "A package that is deprecated tomorrow stays because it works, and has nobody to fix its next flaw.",
    "Two versions of one package meet at run time and do not recognise each other's types.",
    "A licence that nobody agreed to arrives with an update and is found in an audit.",
    "A package without an integrity hash could change without being noticed.",
  ],
};
