// The overview's only need for a script: links to the other pages bring the token along.

import "./icons.js";
import { tokenInLinks } from "./page.js";
import { fragmentToken } from "./token.js";

tokenInLinks(fragmentToken());
