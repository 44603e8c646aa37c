/** What tells a language that is written in Latin letters. */
export interface LanguageProfile {
  /** Its most frequent words, lower case. */
  readonly words: string;
  /** Beginnings (`st-`) and endings (`-ung`) of its words, of three or four letters, and letters that others lack. */
  readonly parts: string;
}

/**
 * Profiles by ISO 639-1 code, written for Weft. The languages from "sv" on are there so that they are not taken for one
 * of the others; their profiles are shorter.
 */
export const languageProfiles: Readonly<Record<string, LanguageProfile>> = {
  en: {
    words:
      "the of and to in a is that for it as was with be by on not he his but at are this have from or had an they " +
      "which one you were all her she there would their we him been has when who will no more if out so up said what its " +
      "about than into them can only other time could these may then do first any my now such like our over me even most " +
      "made after also did many before must through your where much should how because very some your those being while",
    parts:
      "-ing -tion -ness -ight -ould -ough -ment -ally -able -ful -less -ther -self th- wh- sh- kn- -ed -ly -ck -ll",
  },
  de: {
    words:
      "der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es an werden aus er hat " +
      "dass sie nach wird bei einer um am sind noch wie einem über einen so zum war haben nur oder aber vor zur bis mehr " +
      "durch man sein wurde sei ich wir ihr mich mir dich uns kann können muss wenn doch schon hier immer diese dieser " +
      "dieses keine kein nichts sehr weil unter gegen vom ihre ihren seine seinen was wer wo dann jetzt alle alles",
    parts:
      "-ung -heit -keit -lich -isch -chen -haft -igen -ten -cht -ern -eit sch- ver- ge- zw- ß ä ö ü -tz -ck -nd -ft",
  },
  fr: {
    words:
      "de la le et les des en un du une que est pour qui dans a par plus pas au sur ne se ce il sont avec cette son " +
      "comme mais ou on nous vous elle ils leur sa ses aux été avait être fait tout même aussi bien sans peut très où si " +
      "ces entre après était lui mes mon ma notre votre deux donc encore alors dont avant toujours depuis quand rien " +
      "chez sous fut ont je tu me te moi toi l d c qu n s j m y cela jamais vers faire dit celui celle",
    parts:
      "-eux -tion -ment -ette -aire -eur -ais -ait -aux -ique -elle -ient -ère -que qu- ç è ê œ à û -ez -eau -ée -és",
  },
  es: {
    words:
      "de la que el en y a los se del las un por con no una su para es al lo como más o pero sus le ha me si sin sobre " +
      "este ya entre cuando todo esta ser son dos también fue había era muy años hasta desde está mi porque qué sólo han " +
      "yo hay vez puede todos así nos ni parte tiene él uno donde bien tiempo mismo ese ahora otro después te otros " +
      "aunque esa eso hace otra gobierno tan durante siempre día tanto ella tres nada ellos estos estas nosotros",
    parts: "-ción -dad -mente -ado -ido -ando -iendo -aba -ían -ero -eza -ños ll- ñ -ales -ores -ués ue- -illo -án",
  },
  it: {
    words:
      "di e che la il un a per in una mi sono ho non ma lo ha le si ti i con cosa se io come da ci no questo qui hai " +
      "sei del bene tu sì me più al mio perché lei solo te era gli tutto della così mia ne questa fare quando ora fatto " +
      "essere so mai chi o alla tutti molto dei anche detto quello va niente grazie lui voglio abbiamo stato nel suo dove " +
      "posso oh prima allora siamo dal nella delle sua degli nei alle dalla sulla quella quale ogni dopo l d c un loro",
    parts:
      "-zione -ità -mente -ando -ato -ata -ere -are -ire -tto -lla -gli -cchi -zza -oni -iano gli- ch- sch- -ss -nno ì ò",
  },
  pt: {
    words:
      "de a o que e do da em um para é com não uma os no se na por mais as dos como mas foi ao ele das tem à seu sua " +
      "ou ser quando muito há nos já está eu também só pelo pela até isso ela entre era depois sem mesmo aos ter seus quem " +
      "nas me esse eles estão você tinha foram essa num nem suas meu às minha têm numa pelos elas havia seja qual será nós " +
      "tenho lhe deles essas esses pelas este fosse dele tu te vocês vos lhes meus minhas bem ainda onde então",
    parts:
      "-ção -ções -dade -mente -ado -ada -ava -aram -eira -eiro -inho -ência -ão -ões lh- nh- ã õ ç ê â -agem -ês -ém",
  },
  nl: {
    words:
      "de van een en het in is dat op te zijn met voor niet aan er om ook als dan maar bij uit nog naar heeft ze die " +
      "hij ik je wat werd door over of tot worden had zou geen was kan meer wordt deze heb hebben hun haar onder zich we " +
      "mijn moet zo wel nu al daar hier waar wie dit toch na veel mensen goed onze ons u jij wij zij zal iets niets alle " +
      "altijd tegen zonder omdat tussen weer eerste twee andere jaar men toen zelf gaan doen want moeten kunnen",
    parts:
      "-ijk -heid -lijk -ing -tie -sch -aar -een -oor -cht -ijn ij- sch- ge- ver- aa- oe- zw- -tje -oe -uw -eid -ooi",
  },
  sv: {
    words:
      "och i att det som en på är av för med till den han var inte om ett hade de har jag ska men sig så från kan vi " +
      "hon när man skulle där nu efter upp vid vara bara sina mot över eller också genom alla mycket mig dem sin detta",
    parts: "-het -ning -arna -erna -ande -lig -ade ä ö å sk- -tt -ig",
  },
  da: {
    words:
      "og i at det som en på er af for med til den han var ikke om et havde de har jeg skal men sig så fra kan vi hun " +
      "når man skulle der nu efter op ved være bare sine mod over eller også gennem alle meget mig dem sin dette blev",
    parts: "-hed -ning -erne -ende -lig -ede æ ø å sk- -else",
  },
  pl: {
    words:
      "i w na z do się nie to że jest o jak po co ale od za przez dla był są tak już tylko ich przy jego być czy może " +
      "który która które jej tym tego oraz było będzie ze bardzo mnie ma pan jeszcze",
    parts: "-nie -ych -ego -owa -ość -ach -ami ł ż ś ę ą ó cz- prz- -ski",
  },
  cs: {
    words:
      "a v se na je že to s z do o i jako za by si ale k po jsem který pro jeho od byl tak nebo až jsou už jen při ve " +
      "bylo být která které když podle mezi tento také může jsme byla",
    parts: "-ění -ých -ého -ost -ová ř ě ů ž š č př-",
  },
  ro: {
    words:
      "de în și a la cu pe care nu din o un că este pentru mai se au ce sau fost fi lui prin după sunt ar ca el ea " +
      "dar era am acest această când foarte fără unei unui",
    parts: "-ului -ilor -ție -are -ească -ește ă ț ș î",
  },
  tr: {
    words:
      "ve bir bu da de için ile çok daha olarak gibi olan ne kadar ben o ama en var sonra değil her mi oldu diye " +
      "kendi onun ki şey iki olduğu yok",
    parts: "-lar -ler -ların -leri -dır -dir -mış -yor ğ ı ş",
  },
  fi: {
    words:
      "ja on ei se että hän oli mutta kun niin ovat myös kuin joka mitä tai jos sen hänen nyt vain minä ole olla sitä " +
      "siitä kaikki mukaan jo sekä jotka",
    parts: "-ssa -sta -lla -lle -inen -ssä -stä -ään -nen -aan ää- -uus",
  },
  id: {
    words:
      "yang dan di itu dengan untuk tidak ini dari dalam akan pada juga saya ke karena tersebut bisa ada mereka lebih " +
      "kata tahun sudah atau saat oleh menjadi orang ia telah adalah seperti sebagai bahwa dapat para harus",
    parts: "-kan -nya -lah men- ber- ter- mem- peng- -ang",
  },
};
