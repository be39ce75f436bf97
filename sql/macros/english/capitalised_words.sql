-- A regular expression for capitalised English words that Japanese does not write in katakana by their sound.
create macro capitalised_words() as
    '(?:Sun|Mon|Tues|Wednes|Thurs|Fri|Satur)days?|January|February|March|April|June|July|August|September|October'
    || '|November|December|Spring|Summer|Autumn|Winter|North[a-z]*|South[a-z]*|East[a-z]*|West[a-z]*|Central|Mid[a-z]+'
    || '|Earth|Moon|Mars|Venus|Mercury|Jupiter|Saturn|Uranus|Neptune|Pluto|Heaven|Hell|Lord|Jesus|Bible|Buddh[a-z]*'
    || '|Hindu[a-z]*|Islam[a-z]*|Muslims?|Juda[a-z]+|Jew[a-z]*|Christian[a-z]*|Catholic[a-z]*|Orthodox|Protestant[a-z]*|Easter|Thanksgiving'
    || '|Christmas|Passover|Ramadan|Internet|Covid[a-z-]*|Coronavirus'
    || '|[A-Z][a-z]*(?:ese|ish|ian|ans?|ic|ists?|isms?|phobia|crats?|ens)|German[a-z]*|Dutch|Netherlands|Holland|England|Britain|Scot(?:land|s)|Wales|Welsh|Greeks?|Greece|French|France'
    || '|Swiss|Switzerland|Belgium|Turk(?:ey|s)|China|Japan|Korea|Taiwan|Mandarin|Cantonese|Beijing|Shanghai|Seoul|Singapore|Hong|Kong|Europe|Czech|Thai|Afghan[a-z]*|Kazakh|Serbs?|Arabs?|Iraqi|Israelis?|Pakistani|Russia|Poland|Poles|Danes?|Swedes?|Finns?|Turks?'
    || '|Hispanic|Latino|Caucasian|Native|Indians?|Egypt|Hungar[a-z]+|Austria|Athens'
    || '|Pacific|Atlantic|Arctic|Mediterranean|Renaissance|Medieval|Victorian|Colonial|Gothic|Baroque|Olympics?'
    || '|Mother|Father|Grand[a-z]+|Aunt|Uncle|Daddy|Mommy|Mom|Mum|Dad|King|Queen|Prince|Princess|President|Minist[a-z]+|Senat[a-z]+|Govern[a-z]+|Mayor|Doctor|Professor|Captain|Secretary|Chairman|Director|Judge|Officer|Sergeant|Lieutenant|Colonel|Chancellor|Premier|Leader|Chief'
    || '|General|Emperor|Pope|Saint|Santa|Sir|Madam|Lady|Lords?|Church|Congress|Parliament|State|States|United|Kingdom|Court|Constitution|Army|Navy|Marines?|Police|Street|Avenue'
    || '|Road|Park|River|Lake|Ocean|Mount[a-z]*|University|College|School|Museum|Hotel|Company|Square|Center|Centre|Bridge|Island[a-z]*|Valley|Beach|Channel|House|Hall|Palace|Castle|Tower|Airport|Station|Hospital|Library|Office|Department|Agency|Bureau|Committee|Commission|Council|Association|Organi[sz]ation|Union|League|Institute|Academy|Foundation|Society|Bank|Fund|Party|Labour|Greens?|Left|Right|Liberal[a-z]*|Conservatives?|Communist|Republic[a-z]*|Democra[a-z]*|National|International|Federal|World|First|Second|Third|Black|White|Red|Blue|Green|Golden|Silver|Big|Great|Grand|New|Old|High|Royal|Holy|Free|Open|Super|Good|Best'
    || '|Please|None|Yes|Stop|True|False|Option|Step|Figure|Table|Section|Chapter|Page|Part|Note|Answer|Question|Example|Settings|Advanced|Restore|Account|Button|Screen|Menu|Help|Home|Sign|Back|Next|Shop|Store|Tab|Payments?|Terms|Privacy|Security|Support|Service|Mint|Airmail|Post|Mail'
    || '|Python|Windows|Word|Excel|Velcro|Styrofoam|Kleenex|Nintendo|Vienna|Munich|Venice|Warsaw|Cologne|Geneva'
    || '|Celsius|Fahrenheit|Logitech|Sunflower|Mastodon|Black|God|Goddess|Game|Goodbye|Hello|Wait|Like|Love|Cons|Pros|The|This|That|There|They|When|What|Where|With|From|And|But|For|You|Your|She|His|Her|Our|Its|Just|Have|Was|Are|Not|Its|Dogs?|Cats?'
    || '|[A-Z][a-z]*(?:ment|ness|ity|ties|ance|ence|ship|hood|ology|graphy|land Yard|ers|ings|ives|ures|ages)'
    || '|(?i:[kstnhmyrwgzdbpfj]?[hy]?[aeiou]{1,2}n?)+';
