"""The decisions that the ARD holds as text, in the words that tables print.

A decision is written by `results` and compared by `displays`; both take its words from here.
"""

REJECTED = "H0 rejected"
NOT_REJECTED = "H0 not rejected"
STOPPED_STAGE_1 = "H0 not rejected: stopped after stage 1"
STAGE_1_PENDING = "No decision: stage 1 has pending patients"
FEWER_THAN_PLANNED = "No decision: fewer than planned"
MORE_THAN_PLANNED = "No decision: more than planned"

STAGE_1_NOT_COMPLETE = "stage 1 is not complete"
STAGE_1_NOT_DECIDED = "stage 1 is not decided: patients are pending"
STAGE_2_NOT_COMPLETE = "stage 2 is not complete"
OVER_RUN = "the design stops after stage 1; the patients treated later are over-running"

BOUNDARY_PASSED = "Boundary passed: stage 2 is open"
BOUNDARY_CROSSED = "Boundary crossed"
BOUNDARY_OPEN = "Not decided"

CAN_CHANGE = "The patients without a response result can change the decision"
CANNOT_CHANGE = "The patients without a response result cannot change the decision"
