-- A regular expression for places that have one name in Japanese, alone or in a longer name.
create macro well_known_places() as
    '\b('
    || 'Alabama|Alaska|Arizona|Arkansas|California|Colorado|Connecticut|Delaware|Florida|Hawaii|Idaho|Illinois'
    || '|Indiana|Iowa|Kansas|Kentucky|Louisiana|Maryland|Massachusetts|Michigan|Minnesota|Mississippi|Missouri|Montana'
    || '|Nebraska|Nevada|Oklahoma|Oregon|Pennsylvania|Tennessee|Texas|Utah|Vermont|Virginia|Wisconsin|Wyoming'
    || '|Ukraine|Brazil|Canada|Mexico|Australia|Argentina|Norway|Sweden|Finland|Denmark|Poland|Portugal'
    || '|Ireland|Kenya|Nigeria|Ethiopia|Vietnam|Indonesia|Malaysia|Thailand|Philippines|Pakistan|Afghanistan|Iraq'
    || '|Israel|Egypt|Greece|Hungary|Romania|Croatia|London|Paris|Berlin|Madrid|Rome|Moscow'
    || '|Chicago|Boston|Seattle|Houston|Dallas|Miami|Atlanta|Toronto|Sydney|Melbourne|Dublin|Glasgow'
    || '|Edinburgh|Manchester|Liverpool|Birmingham|Oslo|Stockholm|Amsterdam|Barcelona|Istanbul|Cairo|Mumbai|Delhi'
    || '|Bangkok'
    || ')\b';
