"""The contracts as a whole: one patient for every rule, who breaks that rule and no other."""

import datetime as dt
import importlib.resources
import itertools
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import jsonschema
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sap import contracts
from sap.catalogue.iso8601 import FORMS
from sap.contracts import Contract
from sap.contracts.columns import days
from sap.errors import ContractError, PlanError
from sap.plan.home import project_home

FILES = project_home() / "data-contracts"

# A patient treated in group B from consent to death, with nothing to find fault with. STUDYID, DOMAIN,
# USUBJID and --SEQ are put in front of each row; an empty cell is missing.
GOOD_SUBJECT = {
    "dm": """
        SUBJID|RFICDTC   |RFSTDTC         |RFENDTC   |DTHDTC    |DTHFL|AGE|AGEU |SEX|ARMCD|ARM
        001   |2017-03-01|2017-04-01T10:00|2017-05-13|2018-06-01|Y    |70 |YEARS|M  |B    |Cabazitaxel
        """,
    "ds": """
        DSDECOD                   |DSCAT             |DSSCAT             |DSSTDTC
        INFORMED CONSENT OBTAINED |PROTOCOL MILESTONE|SCREENING          |2017-03-01
        ALLOCATED TO GROUP B      |PROTOCOL MILESTONE|SCREENING          |2017-03-15
        TREATMENT CONSENT OBTAINED|PROTOCOL MILESTONE|SCREENING          |2017-03-20
        COMPLETED                 |DISPOSITION EVENT |STUDY TREATMENT    |2017-06-10
        DEATH                     |DISPOSITION EVENT |STUDY PARTICIPATION|2018-06-01
        """,
    "ex": """
        EXTRT      |EXCAT          |EXDOSE|EXDOSU|EXSTDTC         |EXENDTC
        CABAZITAXEL|STUDY TREATMENT|25    |mg/m2 |2017-04-01T10:00|2017-04-01T11:00
        CABAZITAXEL|STUDY TREATMENT|25    |mg/m2 |2017-04-22      |2017-04-22
        CABAZITAXEL|STUDY TREATMENT|20    |mg/m2 |2017-05-13      |2017-05-13
        PREDNISONE |STUDY TREATMENT|10    |mg    |2017-04-01      |2017-06-03
        """,
    "cm": """
        CMTRT        |CMDECOD      |CMCAT                         |CMSCAT      |CMINDC             |CMSTDTC   |CMENDTC|CMENRTPT
        Taxotere     |DOCETAXEL    |PRIOR ANTICANCER THERAPY      |CHEMOTHERAPY|                   |2015-02   |2015   |BEFORE
        enzalutamide |ENZALUTAMIDE |SUBSEQUENT ANTICANCER THERAPY |HORMONAL    |                   |2017-09-01|       |ONGOING
        Neulasta     |PEGFILGRASTIM|SUPPORTIVE CARE               |G-CSF       |PRIMARY PROPHYLAXIS|2017-04-02|       |
        """,
    "lb": """
        LBTESTCD|LBORRES|LBSTRESC|LBSTRESN|LBSTRESU|LBSTNRLO|LBSTNRHI|LBLLOQ|LBSTAT  |LBDTC
        PSA     |150    |150     |150     |ug/L    |0       |4       |0.1   |        |2017-03-28
        PSA     |<0.1   |<0.1    |        |        |        |        |0.1   |        |2017-05-13T09:30
        PSA     |       |        |        |        |        |        |      |NOT DONE|2017-06-03
        HGB     |7.3    |7.3     |7.3     |mmol/L  |8.6     |10.5    |      |        |2017-03-28
        WBC     |7.1    |7.1     |7.1     |10^9/L  |        |        |      |        |2017-03-28
        NEUT    |5.2    |5.2     |5.2     |10^9/L  |        |        |      |        |2017-03-28
        PLAT    |250    |250     |250     |10^9/L  |        |        |      |        |2017-03-28
        ALP     |119    |119     |119     |U/L     |        |        |      |        |2017-03-28
        CREAT   |80     |80      |80      |umol/L  |        |        |      |        |2017-03-28
        ALB     |40     |40      |40      |g/L     |        |        |      |        |2017-03-28
        TESTOS  |0.5    |0.5     |0.5     |nmol/L  |        |        |      |        |2017-03-28
        """,
    "cp": """
        CPTESTCD|CPORRES|CPSTRESN|CPSTRESU|CPSTAT  |CPREFID|VISIT    |CPDTC
        CTC     |35     |35      |/7.5 mL |        |S1     |SCREENING|2017-03-05
        CTC     |12     |12      |/7.5 mL |        |S2     |CYCLE 3  |2017-05-13
        CTC     |       |        |        |NOT DONE|       |CYCLE 4  |
        """,
    "gf": """
        GFTESTCD|GFSTRESC    |GFRESCAT     |GFSTAT  |GFREASND   |GFREFID|VISIT           |GFDTC
        ARV7    |POSITIVE    |             |        |           |S1     |SCREENING       |2017-03-05
        ARV7    |UNDETERMINED|too few cells|        |           |S2     |CYCLE 3         |2017-05-13
        ARV7    |            |             |NOT DONE|tube broken|       |END OF TREATMENT|
        """,
    "ss": """
        SSTESTCD|SSSTRESC|SSDTC
        SURVSTAT|ALIVE   |2018-01-10
        SURVSTAT|DEAD    |2018-06-20
        """,
    "ae": """
        AETERM     |AEDECOD    |AEBODSYS              |AETOXGR|AESER|AESDTH|AEREL  |AEACN           |AEOUT             |AESTDTC   |AEENDTC
        Tired      |Fatigue    |General disorders     |2      |N    |      |RELATED|DOSE NOT CHANGED|RECOVERED/RESOLVED|2017-04   |2017-05-01
        Septic     |Sepsis     |Infections            |5      |Y    |Y     |RELATED|NOT APPLICABLE  |FATAL             |2018-05-28|2018-06-01
        """,
    "vs": """
        VSTESTCD|VSSTRESN|VSSTRESU|VSDTC
        WEIGHT  |82.5    |kg      |2017-03-28
        HEIGHT  |178     |cm      |2017-03-28
        BSA     |2.01    |m2      |2017-03-28
        SYSBP   |140     |mmHg    |2017-03-28
        DIABP   |80      |mmHg    |2017-03-28
        PULSE   |72      |beats/min|2017-03-28
        TEMP    |36.6    |C       |2017-03-28
        """,
    "rs": """
        RSTESTCD|RSCAT     |RSSTRESC   |RSEVAL      |RSDTC
        OVRLRESP|RECIST 1.1|SD         |INVESTIGATOR|2017-06-01
        TRGRESP |RECIST 1.1|SD         |INVESTIGATOR|2017-06-01
        NTRGRESP|RECIST 1.1|NON-CR/NON-PD|INVESTIGATOR|2017-06-01
        NEWLPROG|RECIST 1.1|N          |INVESTIGATOR|2017-06-01
        BONERESP|PCWG3     |PDu        |INVESTIGATOR|2017-06-01
        CLINPROG|CLINICAL  |Y          |INVESTIGATOR|2017-09-01
        ECOG    |ECOG      |1          |INVESTIGATOR|2017-03-28
        BESTRESP|RECIST 1.1|SD         |INVESTIGATOR|
        """,
    "tu": """
        TULNKID|TUGRPID|TUTESTCD|TUORRES|TUSTRESC|TULOC                      |TUMETHOD|TUEVAL              |TUEVALID     |TUDTC
        T01    |       |TUMIDENT|TARGET |        |LYMPH NODE                 |CT SCAN |INVESTIGATOR        |             |2017-03-25
        N01    |       |NEWTUMOR|NEW    |NEW     |LIVER                      |MRI     |INVESTIGATOR        |             |2017-09-01
        T02    |       |TUMIDENT|TARGET |TARGET  |Liver, left lobe           |CT SCAN |INVESTIGATOR        |             |2017-03-25
        R1-T01 |       |TUMIDENT|TARGET |TARGET  |Lymph nodes, retroperitoneal|CT SCAN|INDEPENDENT ASSESSOR|RADIOLOGIST 1|2017-03-25
        T02.1  |       |TUSPLIT |TARGET |TARGET  |LIVER                      |CT SCAN |INVESTIGATOR        |             |2017-09-01
        T01/T02|       |TUMERGE |TARGET |TARGET  |LIVER                      |CT SCAN |INVESTIGATOR        |             |2017-12-01
        """,
    "tr": """
        TRLNKID|TRTESTCD|TRSTRESC|TRSTRESN|TRSTRESU|TRSTAT  |TREVAL              |TRDTC
        T01    |SAXIS   |22      |22      |mm      |        |INVESTIGATOR        |2017-03-25
        N01    |TUMSTATE|PRESENT |        |        |        |INVESTIGATOR        |2017-09-01
        T01    |SAXIS   |        |        |        |NOT DONE|INVESTIGATOR        |
        T02    |LDIAM   |30      |30      |mm      |        |INVESTIGATOR        |2017-03-25
        T02    |LPERP   |25      |25      |mm      |        |INVESTIGATOR        |2017-03-25
        T02    |DIAMETER|30      |30      |mm      |        |INVESTIGATOR        |2017-03-25
        T01    |DIAMETER|22      |22      |mm      |        |INVESTIGATOR        |2017-03-25
        T02    |LDIAM   |TOO SMALL TO MEASURE|  |  |        |INVESTIGATOR        |2017-09-01
        R1-T01 |LPERP   |21      |21      |mm      |        |INDEPENDENT ASSESSOR|2017-03-25
               |SUMDIAM |52      |52      |mm      |        |INVESTIGATOR        |2017-03-25
        """,
    "pc": """
        PCTESTCD|PCSTRESC|PCSTRESN|PCSTRESU|PCLLOQ|PCSTAT  |PCTPTNUM|PCRFTDTC        |PCDTC
        CABAZ   |<1      |        |        |1     |        |0       |2017-04-01T10:00|2017-04-01T09:50
        CABAZ   |210.5   |210.5   |ng/mL   |1     |        |1       |2017-04-01T10:00|2017-04-01T11:00
        CABAZ   |        |        |        |      |NOT DONE|3       |                |
        """,
    "be": """
        BEREFID|BETERM      |BEDECOD  |BECAT|BEVOL|BEDTC
        S1     |blood drawn |COLLECTED|CTC  |20   |2017-03-05
        """,
    "ie": """
        IETESTCD|IECAT    |IESTRESC|VISIT       |IEDTC
        INCL04  |INCLUSION|N       |SCREENING   |2017-03-05
        EXCL02  |EXCLUSION|Y       |RE-SCREENING|2017-03-05
        """,
    "mh": """
        MHTERM             |MHSTDTC|MHENDTC
        PROSTATE CANCER    |2009   |
        HYPERTENSION       |2010-03|2012
        """,
    "dv": """
        DVTERM         |DVCAT|DVSTDTC
        visit too late |MINOR|2017-05-02
        """,
}

TRIAL_SUMMARY = """
    TSPARMCD|TSVAL
    TITLE   |A trial
    SSTDTC  |2017-02-21
    DCUTDTC |2019-01-01
    SYNTHDAT|Y
    """

# The rule, and what is done to the good patient: domain, row from 1, cells. `+` adds a copy of the row
# with the cells changed, `-` takes the row out.
PLANTED = """
    extract-number              | lb 1   LBSTRESN=abc
    extract-negative            | lb 11  LBSTRESN=-0.5 LBSTRESC=-0.5
    extract-whole-number        | dm 1   AGE=70.5
    extract-date                | rs 1   RSDTC=2017-02-30
    extract-date-time           | lb 1   LBDTC=2017-03-28T24:30
    extract-partial-date        | ae 1   AESTDTC=2017-13
    extract-date-day            | rs 1   RSDTC=2017-06
    extract-day-unknown         | vs 1   VSDTC=2017---28
    extract-year-unknown        | ae 1   AESTDTC=--04-03
    extract-text-unreadable     | mh 2   MHTERM=HYPERTENSI�
    extract-value-missing       | mh 2   MHTERM=
    extract-domain-mismatch         | vs 1   DOMAIN=VT
    extract-key                 | dv +1  DVSEQ=1
    extract-subject-unknown     | vs 1   STUDYID=OTHER
    extract-after-death         | vs 1   VSDTC=2018-06-02
    dm-sex                      | dm 1   SEX=F
    dm-armcd                    | dm 1   ARMCD=C
    dm-consent-date             | dm 1   RFICDTC=
    dm-age-range                | dm 1   AGE=17
    dm-age-missing              | dm 1   AGE=
    dm-ageu                     | dm 1   AGEU=MONTHS
    dm-dthfl                    | dm 1   DTHFL=MAYBE
    dm-death-without-date       | dm 1   DTHDTC=
    dm-death-without-flag       | dm 1   DTHFL= ; ss -2
    dm-death-before-consent     | dm 1   RFICDTC=2018-06-02 ; ds -1 ; ex -1 -2 -3 ; ds -2
    dm-death-disposition        | ds 5   DSSTDTC=2018-05-31
    dm-consent-milestone        | ds 1   DSSTDTC=2017-03-02
    dm-first-dose               | dm 1   RFSTDTC=2017-04-02
    dm-last-before-first        | dm 1   RFENDTC=2017-03-31
    dm-treated-without-sample   | cp 1   VISIT=CYCLE<>1
    dm-treated-without-positive | gf 1   GFSTRESC=NEGATIVE
    ds-dscat                    | ds 2   DSCAT=SOMETHING
    ds-milestone-term           | ds 3   DSDECOD=ALLOCATED<>TO<>GROUP<>C
    ds-milestone-episode        | ds 3   DSSCAT=STUDY<>TREATMENT
    ds-disposition-episode      | ds 4   DSSCAT=FOLLOW-UP
    ds-screening-term           | ds +4  DSSCAT=SCREENING DSDECOD=COMPLETED
    ds-treatment-term           | ds 4   DSDECOD=DECLINED
    ds-participation-term       | ds 5   DSDECOD=DECLINED
    ds-one-allocation           | ds +2  DSDECOD=ALLOCATED<>TO<>GROUP<>A
    ds-one-end                  | ds +5  DSDECOD=OTHER
    ds-milestone-date           | ds 3   DSSTDTC=
    ds-progression-date         | ds 4   DSDECOD=PROGRESSIVE<>DISEASE DSSTDTC=
    ds-disposition-date         | ds 4   DSSTDTC=
    ex-excat                    | ex 1   EXCAT=CHOICE
    ex-unit-cabazitaxel         | ex 1   EXDOSU=mg
    ex-unit-prednisone          | ex 4   EXDOSU=mg/m2
    ex-dose-without-unit        | ex 1   EXDOSU=
    ex-dose-high                | ex 1   EXDOSE=26
    ex-dose-missing             | ex 2   EXDOSE=
    ex-before-consent           | ex 2   EXSTDTC=2017-02-28 EXENDTC= ; ds -3 ; dm 1 RFSTDTC=2017-02-28
    ex-before-treatment-consent | ds 3   DSSTDTC=2017-04-02
    ex-after-end-of-treatment   | ds 4   DSSTDTC=2017-05-12
    ex-first-last-date          | ex 3   EXSTDTC=
    ex-date-missing             | ex 2   EXSTDTC=
    ex-end-before-start         | ex 2   EXENDTC=2017-04-21
    ex-two-on-a-day             | ex 2   EXSTDTC=2017-05-13 EXENDTC=2017-05-13
    ex-too-many-cycles          | ex +3  EXSTDTC=2017-06-03 EXENDTC= ; {eight infusions} ; ds 4 DSSTDTC=2017-12-31
    ae-action-missing           | ae 1   AEACN=
    cm-gcsf-indication-missing  | cm 3   CMINDC=
    tu-method-missing           | tu 1   TUMETHOD=
    be-kind-missing             | be 1   BECAT=
    gf-two-results              | gf +1  GFSTRESC=NEGATIVE
    ie-again-visit              | ds +1  DSDECOD=RE-SCREENING<>CONSENT<>OBTAINED DSSCAT=RE-SCREENING DSSTDTC=2017-03-02 ; ie 1 VISIT=
    rs-two-ecog                 | rs +7  RSSTRESC=2
    ds-one-end-of-each          | ds +4  DSDECOD=OTHER
    cm-category-missing         | cm 3   CMCAT=
    be-event-missing            | be 1   BEDECOD=
    ds-subcategory-missing      | ds 4   DSSCAT=
    ds-allocation-episode       | ds 2   DSSCAT=
    cm-gcsf-subcategory         | cm 3   CMSCAT=
    cm-subcategory-missing      | cm 1   CMSCAT=
    mh-gleason                  | mh 2   MHTERM=Gleason<>score<>4+3
    vs-vsstat                   | vs 1   VSSTAT=LOST
    vs-result-missing           | vs 1   VSSTRESN= VSSTRESU=
    ex-many-doses               | ex 1   EXENDTC=2017-05-20
    lb-text-without-unit        | lb 8   LBSTRESN= LBSTRESU=
    pc-text-without-unit        | pc 2   PCSTRESN= PCSTRESU=
    ex-exoccur                  | ex 1   EXOCCUR=MAYBE
    ex-exstat                   | ex 1   EXSTAT=LOST
    ae-aeoccur                  | ae 1   AEOCCUR=MAYBE
    ae-aestat                   | ae 1   AESTAT=LOST
    mh-mhoccur                  | mh 2   MHOCCUR=MAYBE
    mh-mhstat                   | mh 2   MHSTAT=LOST
    cm-cmoccur                  | cm 1   CMOCCUR=U
    cm-cmstat                   | cm 1   CMSTAT=LOST
    lb-lbspec                   | lb 8   LBSPEC=SWEAT
    pc-pcspec                   | pc 1   PCSPEC=SWEAT
    cm-cmcat                    | cm 3   CMCAT=OTHER
    cm-cmscat                   | cm 1   CMSCAT=CHEMO
    cm-cmenrtpt                 | cm 1   CMENRTPT=LATER
    cm-gcsf-indication          | cm 3   CMINDC=PROPHYLAXIS
    cm-not-coded                | cm 1   CMDECOD=
    cm-start-missing            | cm 2   CMSTDTC=
    cm-end-before-start         | cm 1   CMENDTC=2014
    lb-unit-psa                 | lb 1   LBSTRESU=kU/L
    lb-unit-hgb                 | lb 4   LBSTRESU=mg/dL
    lb-unit-cells               | lb 7   LBSTRESU=10^12/L
    lb-unit-enzymes             | lb 8   LBSTRESU=mg/L
    lb-unit-creat               | lb 9   LBSTRESU=g/dL
    lb-unit-bili                | lb 9   LBTESTCD=BILI LBSTRESU=g/dL
    lb-unit-alb                 | lb 10  LBSTRESU=umol/L
    lb-unit-testos              | lb 11  LBSTRESU=U/L
    lb-result-without-unit      | lb 1   LBSTRESU=
    lb-implausible-psa          | lb 1   LBSTRESN=20001 LBSTRESC=20001
    lb-implausible-hgb          | lb 4   LBSTRESN=73 LBSTRESC=73
    lb-implausible-cells        | lb 5   LBSTRESN=7100 LBSTRESC=7100
    lb-implausible-plat         | lb 7   LBSTRESN=250000 LBSTRESC=250000
    lb-implausible-enzymes      | lb 8   LBSTRESN=119000 LBSTRESC=119000
    lb-implausible-alb          | lb 10  LBSTRESN=4 LBSTRESC=4
    lb-result-psa               | lb 1   LBSTRESC=high
    lb-lbstresc                 | lb 8   LBSTRESC=high
    lb-below-lloq               | lb 2   LBLLOQ= LBSTRESC=BLQ
    lb-above-uloq               | lb 2   LBULOQ= LBSTRESC=ALQ
    lb-above                    | lb 2   LBULOQ=5000 LBSTRESC=>5000
    lb-below-number             | lb 2   LBSTRESN=0.05 LBSTRESU=ug/L
    lb-text-and-number          | lb 8   LBSTRESC=120
    lb-lbstat                   | lb 3   LBSTAT=LOST ; lb 3 LBORRES=5 LBSTRESC=5 LBSTRESU=ug/L
    lb-result-missing           | lb 8   LBSTRESN= LBSTRESC= LBSTRESU=
    lb-not-done-result          | lb 3   LBSTRESN=5 LBSTRESU=ug/L
    lb-date-missing             | lb 8   LBDTC=
    lb-range-order              | lb 4   LBSTNRLO=11
    lb-duplicate                | lb +8
    lb-two-psa-on-a-day         | lb +1  LBORRES=151 LBDTC=2017-03-28T08:00
    lb-neut-above-wbc           | lb 6   LBSTRESN=7.2 LBSTRESC=7.2
    cp-unit                     | cp 1   CPSTRESU=/mL
    cp-result-without-unit      | cp 1   CPSTRESU=
    cp-implausible              | cp 1   CPSTRESN=50001 CPORRES=50001
    cp-raw-count                | cp 1   CPORRES=36
    cp-cpstat                   | cp 3   CPSTAT=LOST ; cp 3 CPSTRESN=1 CPSTRESU=/7.5<>mL
    cp-result-missing           | cp 2   CPSTRESN= CPSTRESU=
    cp-not-done-result          | cp 3   CPSTRESN=1 CPSTRESU=/7.5<>mL
    cp-screening-date           | cp 1   CPDTC=
    cp-date-missing             | cp 2   CPDTC=
    cp-sample-missing           | cp +2  CPREFID= VISIT=CYCLE<>2
    cp-two-counts               | cp +2  CPREFID=S3
    gf-gfstresc                 | gf 2   GFSTRESC=WEAK
    gf-gfstat                   | gf 3   GFSTAT=LOST ; gf 3 GFSTRESC=UNDETERMINED GFRESCAT=few GFREFID=S2 GFDTC=2017-05-13
    gf-result-missing           | gf 2   GFSTRESC=
    gf-not-done-result          | gf 3   GFSTRESC=UNDETERMINED GFRESCAT=few GFREFID=S2 GFDTC=2017-05-13
    gf-reason-missing           | gf 2   GFRESCAT=
    gf-reason-not-done          | gf 2   GFREASND=too<>few
    gf-result-without-sample    | gf 1   GFREFID=S9
    gf-date-missing             | gf 2   GFDTC=
    ss-ssstresc                 | ss 1   SSSTRESC=WELL
    ss-result-missing           | ss 1   SSSTRESC=
    ss-date-missing             | ss 1   SSDTC=
    ss-dead-not-in-dm           | dm 1   DTHFL= DTHDTC=
    ss-dead-before-death        | ss 2   SSDTC=2018-05-31
    ss-alive-after-death        | ss 1   SSDTC=2018-06-02
    ae-aetoxgr                  | ae 1   AETOXGR=6
    ae-febrile-neutropenia-grade| ae 1   AEDECOD=Febrile<>neutropenia
    ae-grade-missing            | ae 1   AETOXGR=
    ae-aeser                    | ae 1   AESER=U
    ae-seriousness-missing      | ae 1   AESER=
    ae-aesdth                   | ae 1   AESDTH=U
    ae-aeslife                  | ae 1   AESLIFE=U
    ae-aeshosp                  | ae 1   AESHOSP=U
    ae-aesdisab                 | ae 1   AESDISAB=U
    ae-aescong                  | ae 1   AESCONG=U
    ae-aesmie                   | ae 1   AESMIE=U
    ae-death-not-serious        | ae 2   AESER=N
    ae-fatal-grade              | ae 2   AETOXGR=4
    ae-grade-5-outcome          | ae 2   AEOUT=UNKNOWN
    ae-aerel                    | ae 1   AEREL=PERHAPS
    ae-causality-missing        | ae 1   AEREL=
    ae-aeacn                    | ae 1   AEACN=HYDRATION
    ae-aeout                    | ae 1   AEOUT=BETTER
    ae-not-coded                | ae 1   AEDECOD=
    ae-without-soc              | ae 1   AEBODSYS=
    ae-start-missing            | ae 1   AESTDTC=
    ae-end-before-start         | ae 1   AEENDTC=2017-03-31
    ae-duplicate                | ae +1
    vs-unit-weight              | vs 1   VSSTRESU=stone
    vs-unit-height              | vs 2   VSSTRESU=ft
    vs-unit-bsa                 | vs 3   VSSTRESU=cm2
    vs-unit-pressure            | vs 4   VSSTRESU=psi
    vs-unit-pulse               | vs 6   VSSTRESU=Hz
    vs-unit-temperature         | vs 7   VSSTRESU=K
    vs-implausible-pressure     | vs 5   VSSTRESN=805
    vs-implausible-pulse        | vs 6   VSSTRESN=7
    vs-implausible-temperature  | vs 7   VSSTRESN=98.2
    vs-result-without-unit      | vs 1   VSSTRESU=
    vs-implausible-weight       | vs 1   VSSTRESN=825
    vs-implausible-height       | vs 2   VSSTRESN=1780
    vs-implausible-bsa          | vs 3   VSSTRESN=20.1
    vs-date-missing             | vs 1   VSDTC=
    rs-rstestcd                 | rs 1   RSTESTCD=CONFRESP
    rs-rscat                    | rs 1   RSCAT=CHESON<>2007
    rs-rseval                   | rs 1   RSEVAL=REVIEW
    rs-rsstat                   | rs 1   RSSTAT=LOST
    rs-result-missing           | rs 1   RSSTRESC=
    rs-overall                  | rs 1   RSSTRESC=STABLE
    rs-target                   | rs 2   RSSTRESC=NON-CR/NON-PD
    rs-non-target               | rs 3   RSSTRESC=SD
    rs-new-lesion               | rs 4   RSSTRESC=PERHAPS
    rs-bone                     | rs 5   RSSTRESC=SD
    rs-clinical                 | rs 6   RSSTRESC=U
    rs-ecog                     | rs 7   RSSTRESC=5
    rs-progression-date         | rs 8   RSSTRESC=PD
    rs-clinical-date            | rs 6   RSDTC=
    rs-date-missing             | rs 1   RSDTC=
    tu-tutestcd                 | tu 1   TUTESTCD=LESION
    tu-tuorres                  | tu 1   TUORRES=TARGETED
    tu-tustresc                 | tu 3   TUSTRESC=TARGETED
    tu-result-missing           | tu 1   TUORRES=
    tu-new-lesion               | tu 2   TUORRES=TARGET
    tu-tumethod                 | tu 1   TUMETHOD=LOOKING
    tu-link-missing             | tu 5   TULNKID=
    tu-link-twice               | tu +1
    tu-link-twice-reader        | tu +4
    tu-link-twice-no-subject        | tu -4 ; tr -9 ; tu 1 TUEVAL= ; tu +1
    tu-tueval                   | tu 1   TUEVAL=FRIENDLY
    tu-tuevalid                 | tu 4   TUEVALID=BOB
    tu-evaluator-missing        | tu 1   TUEVAL=
    tu-location-missing         | tu 1   TULOC=
    tu-location-unknown         | tu 3   TULOC=SEGMENT<>4
    tu-split                    | tu 5   TULNKID=T09
    tu-merge                    | tu 6   TULNKID=T09
    tu-date-missing             | tu 1   TUDTC=
    tu-found-late               | tu 3   TUDTC=2017-04-02
    tu-new-undated              | tu 2   TUDTC= ; tr -2
    tr-trtestcd                 | tr 2   TRTESTCD=STATE
    tr-unit                     | tr 1   TRSTRESU=in
    tr-result-without-unit      | tr 1   TRSTRESU=
    tr-negative                 | tr 1   TRSTRESN=-22 TRSTRESC=-22
    tr-implausible              | tr 5   TRSTRESN=401
    tr-state                    | tr 2   TRSTRESC=SOMEWHAT
    tr-larger                   | tr 2   TRSTRESC=Enlargement
    tr-no-number                | tr 8   TRSTRESC=TINY
    tr-number-missing           | tr 4   TRSTRESN=
    tr-trstat                   | tr 1   TRSTAT=LOST
    tr-result-missing           | tr 1   TRSTRESC= TRSTRESN= TRSTRESU=
    tr-link-missing             | tr 2   TRLNKID=
    tr-link-unknown             | tr 1   TRLNKID=T09
    tr-axis-unknown-place       | tu 1   TULOC=ILIAC<>NODE ; tr -7
    tr-node-not-across          | tr 1   TRTESTCD=LDIAM ; tr -7
    tr-diameter-differs         | tr 6   TRSTRESN=29 TRSTRESC=29
    tr-axis-differs             | tr 7   TRSTRESN=23 TRSTRESC=23
    tr-treval                   | tr 1   TREVAL=FRIENDLY
    tr-evaluator-missing        | tr 1   TREVAL=
    tr-date-missing             | tr 1   TRDTC=
    pc-unit                     | pc 2   PCSTRESU=nmol/L
    pc-result-without-unit      | pc 2   PCSTRESU=
    pc-implausible              | pc 2   PCSTRESN=5001
    pc-pcstresc                 | pc 2   PCSTRESC=lost
    pc-above                    | pc 2   PCSTRESC=>5000 PCSTRESN=
    pc-pcstat                   | pc 2   PCSTAT=LOST
    pc-result-missing           | pc 2   PCSTRESC=
    pc-time-point-missing       | pc 2   PCTPTNUM=
    pc-date-missing             | pc 2   PCDTC=
    pc-reference-missing        | pc 2   PCRFTDTC=
    pc-sample-twice             | pc +2
    be-bedecod                  | be 1   BEDECOD=DRAWN
    be-becat                    | be 1   BECAT=PSA
    be-implausible              | be 1   BEVOL=101
    be-sample-missing           | be 1   BEREFID=
    be-date-missing             | be 1   BEDTC=
    ie-iecat                    | ie 1   IECAT=INCL
    ie-inclusion                | ie 1   IESTRESC=Y
    ie-exclusion                | ie 2   IESTRESC=N
    ie-visit                    | ie 1   VISIT=BASELINE
    mh-end-before-start         | mh 2   MHENDTC=2010-02
    mh-diagnosis-date           | mh 1   MHSTDTC=
    dv-category-missing         | dv 1   DVCAT=
    dv-dvcat                    | dv 1   DVCAT=SEVERE
    dv-date-missing             | dv 1   DVSTDTC=
    """

# What cannot be broken alone: a target in an unknown place is one whose location is unknown.
BESIDE = {
    "tr-axis-unknown-place": {"tu-location-unknown"},
    "tr-negative": {"tr-axis-differs"},
    "ex-before-consent": {"tu-found-late"},  # a first dose that early makes every lesion late
}

# Broken by no patient: about the extract, about TS, or about an empty table.
OF_THE_WHOLE = {
    "extract-domain-missing": ("zz", None),
    "extract-column-missing": ("ie", None),
    "extract-domain-unknown": ("sv", None),
    "extract-column-unknown": ("dv", None),
    "ts-synthdat": ("ts", 5),
    "ts-synthdat-missing": ("ts", 6),
    "ts-dates": ("ts", 2),
    "mapped-unused": ("mapped", 2),
}
BESIDE_THE_PLAN = {  # each has its test in test_plan_terms.py
    "extract-study", "extract-study-drug", "extract-drug-never-met", "extract-drug-not-in-plan",
    "extract-drug-in-a-name", "extract-criterion-of-protocol",
    "extract-evaluator-not-read",
    "extract-result", "extract-test-never-met", "extract-test-not-read", "extract-visit-never-met", "extract-visit",
    "extract-event-terms-never-met",
}  # fmt: skip
REQUIRED = ("dm", "lb", "zz")

Rows = dict[str, list[dict[str, str | None]]]


def parsed(block: str) -> list[dict[str, str | None]]:
    header, *lines = [line.split("|") for line in block.strip().splitlines()]
    names = [name.strip() for name in header]
    cells = [[cell.strip() or None for cell in line] for line in lines]
    return [dict(zip(names, row, strict=True)) for row in cells]


def good_subject(name: str) -> Rows:
    subject: Rows = {}
    for domain, block in GOOD_SUBJECT.items():
        subject[domain] = []
        for number, row in enumerate(parsed(block), start=1):
            ids = {"STUDYID": "T", "DOMAIN": domain.upper(), "USUBJID": f"T-{name}"}
            sequence = {} if domain == "dm" else {f"{domain.upper()}SEQ": str(number)}
            subject[domain].append({**ids, **sequence, **row})
    for row in subject["ds"]:
        row["DSTERM"] = row["DSDECOD"]
    return subject


def spoil(subject: Rows, what: str) -> None:
    """Do what a line of PLANTED says."""
    for step in what.split(";"):
        if "{eight infusions}" in step:
            for number in range(8):
                day = (dt.date(2017, 6, 24) + dt.timedelta(21 * number)).isoformat()
                add(subject, "ex", 2, {"EXSTDTC": day, "EXENDTC": None})
            continue
        domain, *words = step.split()
        rows = subject[domain]
        gone = [int(word) for word in words if word.startswith("-")]
        for place in gone:
            rows[-place - 1] = {}
        cells = {}
        for word in words:
            if "=" in word:
                name, value = word.split("=", 1)
                cells[name] = value.replace("<>", " ") or None
        if words[0].startswith("+"):
            add(subject, domain, int(words[0]) - 1, cells)
        elif not gone:
            rows[int(words[0]) - 1].update(cells)


def add(subject: Rows, domain: str, place: int, cells: dict[str, str | None]) -> None:
    number = {f"{domain.upper()}SEQ": str(len(subject[domain]) + 1)}
    subject[domain].append({**subject[domain][place], **number, **cells})


def frames(subjects: list[Rows]) -> dict[str, pd.DataFrame]:
    tables = {}
    for domain in GOOD_SUBJECT:
        rows = [row for subject in subjects for row in subject[domain] if row]
        names = {name: None for row in rows for name in row}
        tables[domain] = pd.DataFrame(
            [[row.get(name) for name in names] for row in rows], columns=list(names), dtype=object
        )
    return tables


def part(subjects: list[Rows], *domains: str) -> dict[str, pd.DataFrame]:
    return {name: table for name, table in frames(subjects).items() if name in domains}


def trial_summary() -> pd.DataFrame:
    rows = [{"STUDYID": "T", "DOMAIN": "TS", "TSSEQ": "1", **row} for row in parsed(TRIAL_SUMMARY)]
    return pd.DataFrame(rows, dtype=object)


def planted() -> dict[str, str]:
    lines = [line.split("|", 1) for line in PLANTED.strip().splitlines()]
    return {rule.strip(): what.strip() for rule, what in lines}


@pytest.fixture(scope="module")
def rules() -> dict[str, Contract]:
    return contracts.load()


@pytest.fixture(scope="module")
def good_tables() -> dict[str, pd.DataFrame]:
    return {**frames([good_subject("good"), good_subject("well")]), "ts": trial_summary()}


@pytest.fixture(scope="module")
def spoiled_tables() -> dict[str, pd.DataFrame]:
    subjects = [good_subject("good")]
    for rule, what in planted().items():
        subject = good_subject(rule)
        spoil(subject, what)
        subjects.append(subject)
    tables = frames(subjects)
    tables["ie"] = tables["ie"].drop(columns="IETESTCD")
    tables["dv"]["DVNOTE"] = "free text"
    lines = [["3", "values", "DM.SEX: Male is M", None, "7"], ["5", "visits", "X is Y", None, "0"]]
    tables["mapped"] = pd.DataFrame(lines, columns=["LINE", "KIND", "WHAT", "WHY", "COUNT"])
    tables["sv"] = tables["dv"][["STUDYID", "USUBJID"]]
    summary = trial_summary()
    summary.loc[1, "TSVAL"] = "2017-02-29"
    added = summary.loc[[3, 3]].assign(TSSEQ=["2", "3"], TSVAL=["maybe", None])
    tables["ts"] = pd.concat([summary, added], ignore_index=True)
    return tables


@pytest.fixture(scope="module")
def findings(rules, spoiled_tables) -> pd.DataFrame:
    return contracts.check(spoiled_tables, rules, REQUIRED)


def test_a_good_subject_gives_no_finding(rules, good_tables):
    assert contracts.check(good_tables, rules, ["dm", "lb"]).to_dict("records") == []


def test_every_rule_has_a_planted_defect(rules):
    names = {rule.name for contract in rules.values() for rule in contract.rules}
    assert (
        names
        == set(planted())
        | set(OF_THE_WHOLE)
        | {"dm-not-empty", "extract-domain-empty"}
        | BESIDE_THE_PLAN
    )


@pytest.mark.parametrize("rule", planted())
def test_each_subject_breaks_his_rule_and_no_other(findings, rule):
    of_subject = findings[findings["usubjid"] == f"T-{rule}"]
    assert set(of_subject["rule"]) == {rule} | BESIDE.get(rule, set())


def test_the_good_subject_among_the_others_gives_no_finding(findings):
    assert findings[findings["usubjid"] == "T-good"].empty


@pytest.mark.parametrize("rule", OF_THE_WHOLE)
def test_each_defect_of_the_whole_is_found(findings, rule):
    found = findings[findings["rule"] == rule]
    domain, row = OF_THE_WHOLE[rule]
    assert found["domain"].tolist() == [domain]
    assert found["row"].tolist() == [pd.NA if row is None else row]


def test_each_finding_has_the_severity_and_the_words_of_its_rule(findings, rules):
    by_name = {rule.name: rule for contract in rules.values() for rule in contract.rules}
    for _, found in findings.iterrows():
        rule = by_name[found["rule"]]
        assert found["severity"] == rule.severity
        assert found["description"].startswith(rule.description)


def test_row_and_subject_point_at_the_defect(findings, spoiled_tables):
    for _, found in findings[findings["row"].notna()].iterrows():
        table = spoiled_tables[found["domain"]]
        if "USUBJID" in table:
            assert table["USUBJID"].iloc[found["row"] - 1] == found["usubjid"]


def test_each_rule_deleted_from_a_file_takes_its_findings_with_it(
    tmp_path, spoiled_tables, findings
):
    """Nine rules in turn, deleted in the file itself; the other domains give their columns only."""
    for path in FILES.glob("*.yaml"):
        shutil.copy(path, tmp_path)
    place = tmp_path / "gf.odcs.yaml"
    whole = yaml.safe_load(place.read_text(encoding="utf-8"))
    quality = whole["schema"][0]["quality"]
    of_gf = findings[findings["rule"].str.startswith("gf-")].reset_index(drop=True)
    assert len(quality) == 9
    for rule in quality:
        rest = {**whole["schema"][0], "quality": [each for each in quality if each is not rule]}
        place.write_text(yaml.safe_dump({**whole, "schema": [rest]}), encoding="utf-8")
        left = contracts.load(tmp_path)
        found = contracts.check(
            {name: spoiled_tables[name] for name in ("cp", "gf")}, {"gf": left["gf"]}, []
        )
        expected = of_gf[of_gf["rule"] != rule["name"]].reset_index(drop=True)
        assert len(expected) < len(of_gf)
        pd.testing.assert_frame_equal(found, expected)


@pytest.mark.slow
def test_every_finding_comes_and_goes_with_its_rule(rules, spoiled_tables, findings):
    """Every rule of every contract, deleted in halves.

    The rules of a contract are numbered. In each run those go whose number has a certain binary
    digit 0 (or 1): each rule goes in as many runs as it stays, and for any two rules there is a run
    where one goes and the other stays. If in every run exactly the findings of the rules that stay
    are found, each finding hangs on its own rule and on no other.
    """
    digits = max(len(contract.rules) for contract in rules.values()).bit_length()
    gone_together = []
    for digit in range(digits):
        for value in (0, 1):
            gone = {
                rule.name
                for contract in rules.values()
                for number, rule in enumerate(contract.rules)
                if number >> digit & 1 == value
            }
            left = {name: without(contract, *gone) for name, contract in rules.items()}
            found = contracts.check(spoiled_tables, left, REQUIRED)
            expected = findings[~findings["rule"].isin(gone)].reset_index(drop=True)
            pd.testing.assert_frame_equal(found, expected)
            gone_together.append(gone)
    for contract in rules.values():
        for one, other in itertools.permutations([rule.name for rule in contract.rules], 2):
            assert any(one in gone and other not in gone for gone in gone_together)


@pytest.mark.long
def test_each_rule_of_each_domain_deleted_in_turn_takes_exactly_its_findings(
    rules, spoiled_tables, findings
):
    """One rule after the other, in the contract of its domain alone."""
    for name, contract in rules.items():
        if name not in spoiled_tables:
            continue  # the rules about the whole extract are halved above
        own = {rule.name for rule in contract.rules}
        mine = findings[findings["rule"].isin(own)]
        for rule in contract.rules:
            found = contracts.check(spoiled_tables, {name: without(contract, rule.name)}, [])
            expected = mine[mine["rule"] != rule.name].reset_index(drop=True)
            # A table without rows cannot also hold the patients who break the other rules.
            assert len(expected) < len(mine) or rule.name.endswith("not-empty"), rule.name
            pd.testing.assert_frame_equal(found, expected)


def without(contract: Contract, *names: str) -> Contract:
    tables = [
        replace(table, rules=tuple(rule for rule in table.rules if rule.name not in names))
        for table in contract.tables
    ]
    return replace(contract, tables=tuple(tables))


def test_the_four_defects_of_the_acceptance_are_named_in_one_run(rules):
    subject = good_subject("one")
    spoil(
        subject,
        "ds -3; ex 1 EXSTDTC=2017-02-01 EXENDTC=2017-02-01; dm 1 RFSTDTC=2017-02-01; lb 1 LBSTRESN=abc; lb 4 LBSTRESU=furlong",
    )
    tables = frames([subject, good_subject("two"), good_subject("two")])
    tables = {name: tables[name] for name in ("dm", "ds", "ex", "lb", "cp")}
    for domain in ("ds", "ex", "lb", "cp"):
        tables[domain] = tables[domain].drop_duplicates(ignore_index=True)
    found = contracts.check(tables, rules, ["dm"])
    critical = found[found["severity"] == "critical"]
    assert critical[["domain", "rule", "row"]].to_dict("split")["data"] == [
        ["dm", "extract-key", 2],
        ["dm", "extract-key", 3],
        ["ex", "ex-before-consent", 1],
        ["lb", "lb-unit-hgb", 4],
        ["lb", "extract-number", 1],
    ]


def test_two_defects_in_one_row_are_two_findings(rules):
    subject = good_subject("one")
    spoil(subject, "ae 1 AETOXGR=6 AEREL=MAYBE")
    found = contracts.check(part([subject], "dm", "ae"), rules, [])
    assert found[["rule", "row"]].to_dict("split")["data"] == [["ae-aetoxgr", 1], ["ae-aerel", 1]]


def test_no_value_of_the_data_reaches_a_finding(rules):
    subject = good_subject("one")
    spoil(
        subject,
        "lb 1 LBSTRESN=secret LBSTRESU=secret LBDTC=secret; ae 1 AETERM=secret AESTDTC=secret AEREL=secret",
    )
    found = contracts.check(part([subject], "dm", "ae", "lb"), rules, [])
    assert len(found) == 5
    assert "secret" not in found.to_csv()


def test_the_order_of_the_columns_and_the_type_of_numbers_change_no_finding(rules, spoiled_tables):
    said = {name: spoiled_tables[name] for name in ("dm", "vs", "ss")}
    turned = {name: table[table.columns[::-1]] for name, table in said.items()}
    turned["vs"] = turned["vs"].assign(VSSTRESN=turned["vs"]["VSSTRESN"].astype(float))
    one, other = contracts.check(said, rules, []), contracts.check(turned, rules, [])
    assert len(one) > 10
    pd.testing.assert_frame_equal(one, other)


def test_an_absent_domain_makes_no_noise_where_it_is_not_required(rules, good_tables):
    """GF speaks of samples of CP, TR of lesions of TU, DM of EX, DS and GF."""
    rest = {name: good_tables[name] for name in ("dm", "gf", "tr")}
    assert contracts.check(rest, rules, ["dm"]).empty
    assert contracts.check({"gf": good_tables["gf"]}, rules, []).empty


def test_an_absent_column_is_one_finding_and_not_one_a_row(rules, good_tables):
    tables = {"dm": good_tables["dm"], "lb": good_tables["lb"].drop(columns="LBSTRESN")}
    found = contracts.check(tables, rules, [])
    assert found[["domain", "rule", "severity"]].to_dict("split")["data"] == [
        ["lb", "extract-column-missing", "critical"]
    ]
    assert found["description"][0].endswith("(LBSTRESN)")


def test_tables_without_rows_are_checked_without_noise_but_dm_must_have_one(rules, good_tables):
    empty = {name: table.iloc[:0] for name, table in good_tables.items()}
    found = contracts.check(empty, rules, ["dm"])
    assert found[["domain", "rule"]].to_dict("split")["data"] == [["dm", "dm-not-empty"]]
    assert found["row"].isna().all()


def test_a_required_domain_without_records_is_a_warning_and_an_optional_one_is_none(
    rules, good_tables
):
    """AE and SS are required and empty, CM is empty and not required; a cut may be early."""
    tables = {**good_tables} | {name: good_tables[name].iloc[:0] for name in ("ae", "ss", "cm")}
    found = contracts.check(tables, rules, ["dm", "ae", "ss"])
    found = found[found["rule"] == "extract-domain-empty"]
    assert found["domain"].tolist() == ["ae", "ss"]
    assert set(found["severity"]) == {"warning"}  # data.md 13: before the first event AE has none
    assert found["row"].isna().all()
    assert "or it was not extracted" in found["description"].iloc[0]
    at_a_cut = contracts.check(tables, rules, ["dm", "ae", "ss"], of_cut=True)
    assert not (at_a_cut["rule"] == "extract-domain-empty").any()


def test_no_tables_at_all(rules):
    found = contracts.check({}, rules, ["dm", "lb"])
    assert found["domain"].tolist() == ["dm", "lb"]
    assert set(found["rule"]) == {"extract-domain-missing"}
    assert tuple(found.columns) == contracts.FINDING_COLUMNS


# --- words, places and the file of a rule ------------------------------------------------------------


NAMED = """
      - name: dv-flag
        description: DVCAT is a yes or no
        severity: warning
        type: custom
        engine: greatExpectations
        customProperties:
          - {property: where, value: {DVTERM: VISIT-TOO LATE}}
        implementation:
          type: expect_column_values_to_be_in_set
          kwargs: {column: DVCAT, codelist: NY}
"""


def with_rule(folder, text: str) -> dict[str, Contract]:
    for path in FILES.glob("*.yaml"):
        shutil.copy(path, folder)
    place = folder / "dv.odcs.yaml"
    place.write_text(place.read_text(encoding="utf-8") + text, encoding="utf-8")
    return contracts.load(folder)


def test_a_rule_that_names_a_codelist_takes_every_word_of_it_folded(tmp_path):
    """NY (C66742) has Y, N, U and NA; `Visit too late` is the row that `where` means."""
    subjects = [good_subject(name) for name in ("a", "b", "c", "d", "e")]
    for subject, word in zip(
        subjects, ["Yes", "n", "not applicable", "perhaps", "perhaps"], strict=True
    ):
        subject["dv"][0]["DVCAT"] = word
    subjects[0]["dv"][0]["DVTERM"] = "Visit too late"
    subjects[4]["dv"][0]["DVTERM"] = "another"
    rules = with_rule(tmp_path, NAMED)
    found = contracts.check(part(subjects, "dv"), {"dv": rules["dv"]}, [])
    found = found[found["rule"] == "dv-flag"]
    assert found["usubjid"].tolist() == ["T-d"]
    assert found["allowed"].tolist() == ["Y, N, U, NA"]


def test_a_codelist_may_be_narrowed_to_some_of_its_values(tmp_path):
    subject = good_subject("one")
    spoil(subject, "dv 1 DVCAT=unknown")
    rules = with_rule(tmp_path, NAMED.replace("codelist: NY", "codelist: NY, value_set: [Y, N]"))
    found = contracts.check(part([subject], "dv"), {"dv": rules["dv"]}, [])
    assert found[found["rule"] == "dv-flag"]["allowed"].tolist() == ["Y, N"]


@pytest.mark.parametrize(
    "old,new,message",
    [
        ("codelist: NY", "codelist: YN", "there is no codelist YN; there are NY"),
        ("codelist: NY", "codelist: NY, value_set: [JA]", "JA is no value of NY"),
    ],
)
def test_a_codelist_that_is_not_there_is_refused(tmp_path, old, new, message):
    with pytest.raises(PlanError, match=message):
        with_rule(tmp_path, NAMED.replace(old, new))


def test_the_flags_of_a_serious_event_are_y_n_or_empty(rules):
    """SDTMIG 3.4, AE: AESDTH to AESMIE are Y, N or null (codelist NY)."""
    subject = good_subject("one")
    flags = ["AESDTH", "AESLIFE", "AESHOSP", "AESDISAB", "AESCONG", "AESMIE"]
    for row in subject["ae"]:
        row.update({flag: "N" for flag in flags if row.get(flag) is None})
    assert contracts.check(part([subject], "dm", "ae"), rules, []).empty


LEGAL = """
    lb 1   LBSTRESU=ng/mL               | PSA: one ng/mL is one ug/L
    lb 1   LBSTRESU=MCG/L               | the same
    lb 1   LBSTRESU=µg/L                | the same
    lb 7   LBSTRESU=10^3/uL             | one 10^3/uL is one 10^9/L
    lb 8   LBSTRESU=IU/L                | one international unit is one unit
    lb 8   LBTESTCD=GLUC LBSTRESU=mmol/L | C65047: a test more than the protocol's
    vs 1   VSTESTCD=SYSBP VSSTRESU=mmHg | C66741: the same of vital signs
    cp 2   CPTESTCD=CEC CPSTRESU=cells/7.5<>mL | the same of cells
    ds 4   DSDECOD=WITHDRAWAL<>OF<>CONSENT | C66727: WITHDRAWAL BY SUBJECT
    ds 4   DSDECOD=LACK<>OF<>EFFICACY   | C66727
    ds 2   DSCAT=OTHER<>EVENT           | C74558
    ae 1   AEREL=PROBABLE AEACN=Dose<>not<>changed AEOUT=Resolved | words of the CDISC pilot, C66767, C66768
    ss 1   SSSTRESC=Alive               | words are compared without case
    gf 1   GFSTRESC=Positive            | the same
"""


@pytest.mark.parametrize(
    "what", [line.split(" | ")[0].strip() for line in LEGAL.strip().splitlines()]
)
def test_legal_words_of_others_are_no_finding(rules, what):
    subject = good_subject("one")
    spoil(subject, what)
    assert contracts.check(part([subject], "dm", what.split()[0]), rules, [])["rule"].tolist() == []


def test_two_results_of_one_sample_in_two_words_are_one_result(rules):
    subject = good_subject("one")
    first = subject["gf"][0]["GFSTRESC"]
    assert first == "POSITIVE"
    for word in ("Positive", "DETECTED"):
        add(subject, "gf", 0, {"GFSTRESC": word})
    assert "gf-two-results" not in set(contracts.check(frames([subject]), rules, [])["rule"])
    add(subject, "gf", 0, {"GFSTRESC": "Negative"})
    assert "gf-two-results" in set(contracts.check(frames([subject]), rules, [])["rule"])


def test_legal_sdtm_beyond_the_protocol_breaks_no_rule(rules):
    """SDTMIG 3.4: other tests have no unit (pH), a negative result (base excess) or a text; a time
    before the dose and a change are negative; urine has its own units and words; RFICDTC and ARMCD may be empty, SSDTC as well."""
    subject = good_subject("one")
    add(
        subject, "lb", 0, {"LBTESTCD": "PH", "LBORRES": "7.4", "LBSTRESC": "7.4", "LBSTRESN": "7.4"}
    )
    add(
        subject,
        "lb",
        0,
        {"LBTESTCD": "BASEEXCS", "LBORRES": "-2", "LBSTRESC": "-2", "LBSTRESN": "-2"},
    )
    add(subject, "lb", 0, {"LBTESTCD": "KETONES", "LBORRES": "TRACE", "LBSTRESC": "TRACE"})
    subject["lb"][-3]["LBSTRESU"] = None
    subject["lb"][-1] |= {"LBSTRESN": None, "LBSTRESU": None, "LBDTC": None}
    add(
        subject,
        "tr",
        0,
        {"TRTESTCD": "PCHGBL", "TRSTRESC": "-12", "TRSTRESN": "-12", "TRSTRESU": "%"},
    )
    subject["pc"][0]["PCTPTNUM"] = "-0.5"
    urine = {"LBSPEC": "URINE", "LBORRES": "2", "LBSTRESC": "2", "LBSTRESN": "2"}
    add(subject, "lb", 0, {"LBTESTCD": "WBC", "LBSTRESU": "/HPF", **urine})
    add(subject, "lb", 0, {"LBTESTCD": "ALB", "LBSTRESU": "mg/mmol", **urine})
    add(subject, "lb", 0, {"LBTESTCD": "BILI", **urine, "LBSTRESC": "NEGATIVE", "LBSTRESN": None})
    subject["dm"][0]["ARMCD"] = None
    subject["ss"][0] |= {"SSTESTCD": "ECOGSTAT", "SSSTRESC": None, "SSDTC": None}
    add(subject, "gf", 0, {"GFTESTCD": "BRCA2", "GFSTRESC": "WILD TYPE", "GFREFID": "OTHER"})
    add(
        subject,
        "cp",
        0,
        {"CPTESTCD": "CD4", "CPSTRESU": "10^6/L", "CPREFID": "S9", "CPORRES": "35"},
    )
    found = contracts.check(frames([subject]), rules, [])
    assert found[["rule", "row"]].to_numpy().tolist() == []


def test_a_finding_names_sequence_contract_and_allowed_words(rules):
    subject = good_subject("one")
    spoil(subject, "ae 1 AESER=U AESEQ=7; vs 1 DOMAIN=VT")
    found = contracts.check(part([subject], "dm", "ae", "vs"), rules, [])
    said = found[["rule", "row", "seq", "contract", "allowed", "accepted"]]
    assert said.to_dict("split")["data"] == [
        ["ae-aeser", 1, "7", "ae.odcs.yaml", "Y, N", None],
        ["extract-domain-mismatch", 1, "1", "extract.odcs.yaml", None, None],
    ]


def test_a_long_list_of_words_is_cut_short(rules):
    words = next(rule for rule in rules["lb"].rules if rule.name == "lb-unit-psa")
    many = replace(words, kwargs={"column": "LBSTRESU", "value_set": [f"T{n}" for n in range(14)]})
    assert many.allowed == "T0, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, ... (14 words)"


def test_what_makes_a_result_undefined_may_not_be_accepted(rules):
    never = {
        rule.name for contract in rules.values() for rule in contract.rules if not rule.acceptable
    }
    assert {"extract-value-missing", "extract-key", "extract-subject-unknown"} <= never
    assert not {"ae-aeser", "lb-duplicate"} & never


# --- the files -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(FILES.glob("*.odcs.yaml")), ids=lambda path: path.name)
def test_every_file_is_odcs_by_the_schema_of_the_standard(path):
    """The JSON schema that `open-data-contract-standard` carries, published by Bitol."""
    folder = importlib.resources.files("open_data_contract_standard")
    schema = json.loads((folder / "schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(yaml.safe_load(path.read_text(encoding="utf-8")), schema)


def test_every_domain_of_the_product_has_a_contract(rules):
    domains = "ae be cm cp dm ds dv ex fa gf ie lb mapped mh pc qs rs ss tr ts tu vs"
    assert " ".join(rules) == f"{domains} extract"


def test_every_column_and_rule_is_described(rules):
    for contract in rules.values():
        assert contract.what
        assert all(column.label for column in contract.columns)


BROKEN_FILES: list[tuple[str, str, str]] = [
    ("severity: critical", "severity: fatal", "severity must be one of"),
    ("severity: critical", "severty: critical", "no key of ODCS"),
    ("expect_column_values_to_be_in_set", "expect_column_values_to_be_nice", "may use"),
    ("codelist:", "code_list:", "not code_list"),
    ("column: DVCAT", "column: DVKIND", "neither a property nor a prepared column"),
    ("engine: greatExpectations", "engine: soda", "only type: custom"),
    ("logicalType: integer", "logicalType: boolean", "logicalType must be"),
    ("yyyy[-MM[-dd]]", "dd/MM/yyyy", "one of the formats"),
    ("value: DVSTDTC}", "value: DVDTC}", "timing names DVDTC"),
    ("domain: dv", "domain: lb", "domain: dv as the file name"),
    ("version: 1.0.0", "version: 1.0.1", "2 versions"),
    ("name: dv-dvcat", "name: lb-duplicate", "rules named twice"),
    ("kind: DataContract", "kind: DataContract\nkind: DataContract", "given twice"),
    ("property: timing", "property: timming", "customProperties may be"),
    ("schema:", "schema: [", "is no ODCS contract"),
]


@pytest.mark.parametrize("old, new, message", BROKEN_FILES)
def test_a_contract_with_an_unknown_word_is_refused(tmp_path, old, new, message):
    for path in FILES.glob("*.yaml"):
        shutil.copy(path, tmp_path)
    place = tmp_path / "dv.odcs.yaml"
    content = place.read_text(encoding="utf-8")
    assert old in content
    place.write_text(content.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(PlanError, match=message.replace("(", r"\(")):
        contracts.load(tmp_path)


def test_a_prepared_column_must_lead_to_a_column(tmp_path):
    for path in FILES.glob("*.yaml"):
        shutil.copy(path, tmp_path)
    place = tmp_path / "tr.odcs.yaml"
    content = place.read_text(encoding="utf-8")
    for old, new, message in [
        ("table: tu", "table: xx", "there is no contract xx"),
        ("take: TULNKID", "take: TULINK", "no contract has the column TULINK"),
        ("lookup: {table", "look: {table", "Extra inputs"),
    ]:
        place.write_text(content.replace(old, new, 1), encoding="utf-8")
        with pytest.raises(PlanError, match=message):
            contracts.load(tmp_path)


def test_the_version_moves_with_any_byte_of_any_file(tmp_path, rules):
    for path in FILES.glob("*.yaml"):
        shutil.copy(path, tmp_path)
    assert contracts.version(contracts.load(tmp_path)) == contracts.version(rules)
    place = tmp_path / "dv.odcs.yaml"
    place.write_text(place.read_text(encoding="utf-8") + "# seen\n", encoding="utf-8")
    assert contracts.version(contracts.load(tmp_path)) != contracts.version(rules)


def test_loading_the_contracts_does_not_import_great_expectations():
    call = "import sys; from sap import contracts; contracts.load(); print('great_expectations' in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", call], capture_output=True, text=True, check=True
    )
    assert answer.stdout == "False\n"


def test_the_check_writes_nothing_and_opens_no_connection(tmp_path):
    script = """
import socket, sys
def refuse(*args, **kwargs): raise RuntimeError("a connection was opened")
socket.socket.connect = refuse
socket.getaddrinfo = refuse
from sap import contracts
import pandas as pd
print(len(contracts.check({"dm": pd.DataFrame({"USUBJID": ["1"]})}, contracts.load(), [])) > 0)
"""
    answer = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert answer.stdout == "True\n"
    assert answer.stderr == ""
    assert list(tmp_path.iterdir()) == []


# --- numbers and dates -----------------------------------------------------------------------------


def regexes(rules: dict[str, Contract]) -> dict[str, str]:
    found = {rule.name: rule.kwargs.get("regex", "") for rule in rules["extract"].rules}
    return {name: regex for name, regex in found.items() if regex}


def accepted(rules: dict[str, Contract], rule: str) -> Callable[[str], bool]:
    return lambda said: re.search(regexes(rules)[rule], said) is not None


def test_every_day_of_two_centuries_is_a_date_and_no_other_is():
    """The calendar of Python's datetime against what the contracts read."""
    for year in [1900, 1903, 1904, 1999, 2000, 2016, 2017, 2096, 2099]:
        for month in range(14):
            for day in range(33):
                said = f"{year}-{month:02}-{day:02}"
                try:
                    dt.date(year, month, day)
                except ValueError:
                    assert days(said) is None, said
                else:
                    assert days(said) == (said, said)


@pytest.mark.parametrize("column", ["AESTDTC", "DSSTDTC", "RSDTC", "LBDTC"])
def test_each_form_of_the_implementation_guide_is_no_illegal_date(rules, column):
    """SDTMIG 3.4, section 4.4: the examples of its tables, one a row, in columns of every kind."""
    forms = [
        "2003-12-15T13:14:17.123", "2003-12-15T13:14:17", "2003-12-15T13:14", "2003-12-15T13",
        "2003-12-15", "2003-12", "2003", "2003-12-15T10:00/2003-12-15T10:30",
        "2003-01-01/2003-02-15", "2003-12-15T-:15", "2003-12-15T13:-:17", "2003---15", "--12-15",
        "-----T07:15", "2003-12-15T13:14Z", "2003-12-15T13:14+02:00",
    ]  # fmt: skip
    domain = column[:2].lower()
    table = pd.DataFrame({column: forms}, dtype=object)
    found = contracts.check({domain: table}, rules, [])
    legal = ["extract-date", "extract-date-time", "extract-partial-date"]
    assert found[found["rule"].isin(legal)].empty


@pytest.mark.parametrize(
    "said",
    [
        "2017-", "2017-00", "2017-3-1", "17-03-01", "2107-03-01", "01MAR2017", "2017-03-01\n",
        " 2017-03-01", "2017-03-01T24:00", "2017-03-01T25:00", "2017-03-01 09:30", "2017-02-30",
        "2017-03-05/2017-03-01", "2017-03-01/", "2017-03-01T", "2017-03T09:00", "NK", "-", "P3D",
    ],
)  # fmt: skip
def test_no_other_text_is_a_date(rules, said):
    """One finding each in a column of each kind, whose words list the forms."""
    tables = {name: pd.DataFrame({f"{name.upper()}DTC": [said]}) for name in ("rs", "lb")}
    tables["ae"] = pd.DataFrame({"AESTDTC": [said]})
    found = contracts.check(tables, rules, [])
    found = found[found["rule"].isin(["extract-date", "extract-date-time", "extract-partial-date"])]
    assert sorted(found["domain"]) == ["ae", "lb", "rs"]
    assert found["description"].str.contains(FORMS, regex=False).all()


@pytest.mark.parametrize("said", ["1", "-1", "+1", "1.", ".5", "0.10", "1e5", "2.5E-3", "007"])
def test_a_number(rules, said):
    assert accepted(rules, "extract-number")(said)


@pytest.mark.parametrize(
    "said", ["abc", "1,5", "<0.1", "1 ", "1\n", "nan", "inf", "1e999", "0x1", "١", "--1", "."]
)
def test_no_number(rules, said):
    assert not accepted(rules, "extract-number")(said)


@settings(derandomize=True, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False, width=64))
def test_the_text_of_a_number_gives_the_number_back(value):
    assert float(contracts.number_text(value) or "nan") == value


# --- typed -----------------------------------------------------------------------------------------


def test_typed_tables_have_the_columns_of_the_contract_as_numbers_and_text(rules, good_tables):
    made = contracts.typed({**good_tables, "sv": good_tables["dv"]}, rules)
    assert "sv" not in made
    lb = made["lb"]
    assert list(lb.columns) == [column.name for column in rules["lb"].columns]
    numbers = {column.name for column in rules["lb"].columns if "number" in column.kind}
    assert {name for name in lb if lb[name].dtype == float} == numbers
    assert all(lb[name].dtype == object for name in set(lb) - numbers)
    assert lb["LBSTRESN"].iloc[0] == 150
    assert lb["LBSTAT"].iloc[0] is None


def test_typing_a_text_is_refused_by_row_and_without_the_value(rules):
    subject = good_subject("one")
    spoil(subject, "lb 4 LBSTRESN=secret")
    with pytest.raises(ContractError, match=r"lb\.LBSTRESN is no number in row\(s\) 4") as error:
        contracts.typed(frames([subject]), rules)
    assert "secret" not in str(error.value)


# --- real data -------------------------------------------------------------------------------------


@pytest.mark.shared
def test_real_sdtm_of_another_trial_is_checked_to_the_end(shared_data, rules):
    """The CDISC pilot is no trial of ours: women, other arms, columns of its own. It must be told
    so in findings, not in an exception."""
    from sap.intake import sdtm

    tables = sdtm.read(shared_data / "cdisc-pilot" / "sdtm")
    found = contracts.check(tables, rules, ["dm", "ae", "ex", "ds", "lb"])
    women = int((tables["dm"]["SEX"] == "F").sum())
    assert int((found["rule"] == "dm-sex").sum()) == women == 179
    assert found[found["rule"] == "extract-domain-missing"]["domain"].tolist() == ["lb"]
    unknown = found[found["rule"] == "extract-domain-unknown"]["domain"].tolist()
    assert unknown == ["sc", "suppae", "suppdm", "suppds", "sv"]


@pytest.mark.shared
def test_caba_v7_breaks_no_critical_rule_and_its_mess_is_counted(shared_data, rules):
    """Each number is counted in the published files themselves, or stands in data/README.md."""
    from sap.intake import caba_v7

    folder = shared_data / "caba-v7"
    tables, _ = caba_v7.read(folder)
    found = contracts.check(tables, rules, ["dm", "ds", "ex", "lb", "cp", "gf", "ss", "ae"])
    assert found[found["severity"] == "critical"].empty
    count = found["rule"].value_counts()

    clinical = published(folder, "clinical")
    cycles = pd.to_numeric(clinical["Cycles of Cabazitaxel"]).dropna().astype(int)
    assert count["ex-dose-missing"] == cycles.sum() == 146
    assert count["ex-date-missing"] == (cycles - 2).sum()
    assert count["ex-too-many-cycles"] == (cycles - 10).clip(lower=0).sum() == 4
    day = "[day from registration]"
    end, last = (
        pd.to_numeric(clinical.loc[cycles.index, f"{name} {day}"])
        for name in ("End of cabazitaxel cycles", "End of Post-Treatment")
    )
    assert count["ex-after-end-of-treatment"] == (end < last).sum() == 1

    blood = published(folder, "hematology")
    above = pd.to_numeric(blood["ANC"]) > pd.to_numeric(blood["WBC"])
    assert count["lb-neut-above-wbc"] == above.sum()

    psa = published(folder, "psa")
    day = ["Subject Number", "PSA measurement [day from registration]"]
    assert count["lb-two-psa-on-a-day"] == psa.duplicated(day, keep=False).sum()

    samples = published(folder, "sample_overview")
    counts = samples[["CTC Count (Baseline)", "CTC Count (Baseline – 7.5mL)"]].apply(pd.to_numeric)
    raw, per_tube = (counts[name] for name in counts)
    differ = raw.notna() & per_tube.notna() & (raw != per_tube)
    assert count["cp-raw-count"] == differ.sum()


def published(folder, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / f"{name}.csv", dtype=str, keep_default_na=False, na_values=[""])


def test_what_follows_from_other_columns_is_no_unknown_column_and_is_not_kept(rules, good_tables):
    """SDTMIG 3.4, 4.4.4: study days follow from the dates; the analysis makes its own."""
    dv = good_tables["dv"].assign(DVSTDY="12", EPOCH="TREATMENT", DVDY="3")
    found = contracts.check({**good_tables, "dv": dv}, rules, [])
    unknown = found[found["rule"] == "extract-column-unknown"]
    assert [text.rpartition("(")[2] for text in unknown["description"]] == ["DVDY)"]
    assert not {"DVSTDY", "EPOCH", "DVDY"} & set(contracts.typed({"dv": dv}, rules)["dv"])


def test_of_a_cut_a_rule_is_asked_again_or_answered_as_in_the_extract(tmp_path, rules, good_tables):
    """`of_cut` takes one word; a rule that has it is not asked of a cut."""
    marked = [rule.name for rule in rules["ex"].rules if not rule.checked_on_cut]
    assert marked == ["ex-after-end-of-treatment", "ex-first-last-date", "ex-date-missing"]
    ex = good_tables["ex"].assign(EXSTDTC=None, EXENDTC=None)
    tables = {**good_tables, "ex": ex}
    asked = {
        of_cut: set(contracts.check(tables, rules, ["dm"], of_cut=of_cut)["rule"])
        for of_cut in (False, True)
    }
    assert asked[False] - asked[True] == {"ex-first-last-date", "ex-date-missing"}
    text = (project_home() / "data-contracts" / "ex.odcs.yaml").read_text("utf-8")
    (tmp_path / "ex.odcs.yaml").write_text(text.replace("as in the extract", "never"), "utf-8")
    with pytest.raises(PlanError, match="of_cut: Input should be 'as in the extract'"):
        contracts.load(tmp_path)


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("domain: dv", "domain: ae", "give version, schema, and domain: dv as the file name"),
        ("- name: DV\n", "- name: AE\n", "schema must be the one table DV"),
        ("type: custom", "type: library", "only type: custom, engine: greatExpectations"),
    ],
)
def test_a_contract_of_another_domain_table_or_engine_is_refused(tmp_path, old, new, message):
    text = (project_home() / "data-contracts" / "dv.odcs.yaml").read_text("utf-8")
    assert old in text
    (tmp_path / "dv.odcs.yaml").write_text(text.replace(old, new), "utf-8")
    with pytest.raises(PlanError, match=message):
        contracts.load(tmp_path)


def test_a_folder_without_contracts_is_refused(tmp_path):
    with pytest.raises(PlanError, match="name the folder of the data contracts"):
        contracts.load(tmp_path)
